/**
 * A 32-bit hash for placing requests: FNV-1a over the character codes, with the finaliser of MurmurHash3, without which short
 * similar keys (client addresses) would lie close together. Not for secrets: a client that knows it can choose its place.
 */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
