/** Self-signed for `consul.test`, for tests only, valid until 2120; it is its own CA and also serves as a client certificate. */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAWMRQwEgYDVQQDDAtjb25zdWwu
dGVzdDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFjEUMBIGA1UE
AwwLY29uc3VsLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATvSRj/ult7
Tk+5ySGU3Bkiwe0QXvja9jjgkfkRiw7QmUF63oFDE1+4jZ19PETVjq0j6Rjj33Kg
FlghWxW5rnSho0owSDAPBgNVHRMBAf8EBTADAQH/MBYGA1UdEQQPMA2CC2NvbnN1
bC50ZXN0MB0GA1UdDgQWBBRS6ktkUyvXZCX/FmsAI1ZgbBq1UTAKBggqhkjOPQQD
AgNIADBFAiAXf/oOOJL4es+CkMrOLYpOQ6e2E4u+tSrG/aRU57uUtwIhAP+j6236
8euau4VM6tb5aCy4203Ry/vAiFPNOosY6pK7
-----END CERTIFICATE-----
`;
/** The key of {@link certificate}. */
export const privateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRyJLrAUCaoNSh97I
PvUzE+3+bKZDUKLDfVYwYeZ4OGOhRANCAATvSRj/ult7Tk+5ySGU3Bkiwe0QXvja
9jjgkfkRiw7QmUF63oFDE1+4jZ19PETVjq0j6Rjj33KgFlghWxW5rnSh
-----END PRIVATE KEY-----
`;
