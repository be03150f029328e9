/** The first release of each line that has the HTTP and TLS fixes of July 2026 (CVE-2026-58044 and others). */
const fixed: Readonly<Record<number, readonly [minor: number, patch: number]>> = {
  22: [23, 2],
  24: [18, 1],
  26: [5, 1],
};

/** What an operator should know about the Node that runs the gateway; `version` as in `process.versions.node`. Empty when all is well. */
export function runtimeWarnings(version: string): readonly string[] {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  if (major < 22 || major === 23)
    return [`Node ${version} gets no security fixes any more; run the gateway on Node 24.`];
  const first = fixed[major];
  if (first === undefined || minor > first[0] || (minor === first[0] && patch >= first[1])) return [];
  return [
    `Node ${version} has known holes in HTTP and TLS; update to ${major}.${first[0]}.${first[1]} or newer.`,
  ];
}
