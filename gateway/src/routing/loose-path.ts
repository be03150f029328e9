/** P7: how often escapes are decoded: once by a framework, once more by what stands before it. */
const maxDecodings = 3;

const plain = /^(?:\/[a-z0-9_~-]+)*\/?$/;

/** Whether there is only one way to read a path. */
export function isPlainPath(path: string): boolean {
  return plain.test(path);
}

/**
 * A path as the most careless reader takes it, so that paths which any framework reads alike become one: all escapes decoded (`%2F` and
 * `%5C` too), letters in lower case, parameters (`;x`) and trailing dots and blanks of segments gone, backslashes as slashes, slashes
 * merged. `dots`: whether dot segments are left where they stand; some readers remove them.
 */
export function loosePath(path: string, dots: 'kept' | 'removed'): string {
  const kept: string[] = [];
  for (const segment of decoded(path)
    .toLowerCase()
    .split(/[/\\]+/)) {
    const name = segment.replace(/;.*$/s, '');
    if (/^\.\.?$/.test(name)) {
      if (dots === 'kept') kept.push(name);
      else if (name === '..') kept.pop();
    } else {
      const bare = name.replace(/[.\s]+$/, '');
      if (bare !== '') kept.push(bare);
    }
  }
  return `/${kept.join('/')}`;
}

function decoded(path: string): string {
  let text = path.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
  for (let times = 0; times < maxDecodings && text.includes('%'); times += 1) {
    try {
      text = decodeURIComponent(text);
    } catch {
      // Not UTF-8, or a lone percent sign.
      text = text.replace(/%([0-7][0-9a-f]|85|a0)/gi, (_, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      );
    }
  }
  return text;
}
