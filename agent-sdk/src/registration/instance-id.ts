import { customAlphabet } from 'nanoid';

/** Lower case letters and digits only: safe to copy from a log into a URL, a shell or a DNS name. */
const randomPart = customAlphabet('0123456789abcdefghijklmnopqrstuvwxyz', 10);

/** A new instance id, `api-service-x7k2m9q4ab`: about 52 random bits, different at every start of a process. */
export function createInstanceId(name: string): string {
  return `${name}-${randomPart()}`;
}
