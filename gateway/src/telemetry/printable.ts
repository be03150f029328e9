/** C0 and C1 controls, DEL, line separators, and the marks that turn the direction of text: what a terminal or a log viewer obeys. */
// eslint's no-control-regex wants these built, not written.
const obeyed = new RegExp(
  `[${['\\u0000-\\u001f', '\\u007f-\\u009f', '\\u2028\\u2029', '\\u202a-\\u202e', '\\u2066-\\u2069'].join('')}]`,
  'g',
);

const escapeOne = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * Text from outside (paths, host names, service names, reasons) made harmless for a terminal: what would move the cursor, colour the
 * screen or begin a new line is shown as `\u001b`. Used where text is printed as it is; JSON goes through {@link escapeJsonLine}.
 */
export function printable(text: string): string {
  return text.replace(obeyed, escapeOne);
}

/** {@link printable} for every string inside plain data; errors become their class and escaped stack. */
export function printableFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return group(fields, 4);
}

function group(fields: object, depth: number): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, item]) => [printable(key), one(item, depth)]));
}

function one(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return printable(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) {
    const stack = (value.stack ?? value.message).split('\n').map(printable).join('\n');
    return { type: printable(value.name), message: printable(value.message), stack };
  }
  if (depth === 0) return '…';
  return Array.isArray(value) ? value.map((item: unknown) => one(item, depth - 1)) : group(value, depth - 1);
}

/** The same for a line of JSON, where C0 controls are escaped already: the rest gets JSON's own escapes, the value stays equal. */
export function escapeJsonLine(line: string): string {
  // The newline that ends it is the only control that may stand outside a string.
  return line.replace(obeyed, (c) => (c === '\n' ? c : escapeOne(c)));
}
