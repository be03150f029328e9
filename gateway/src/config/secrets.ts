/** Settings whose value is shown nowhere: not in problems, not in the effective configuration. */
const secretPaths: ReadonlySet<string> = new Set(['admin.token', 'stickySecret']);

/** Whether the value at this place of the file is a secret. */
export function isSecret(path: string): boolean {
  return secretPaths.has(path);
}

/** Whether a variable that nobody reads may hold a secret all the same, judged by its name: a misspelt one does. */
export function soundsSecret(name: string): boolean {
  return /SEC|TOKEN|PASS|KEY|CRED/i.test(name);
}
