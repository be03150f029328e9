import fc from 'fast-check';

/** Generators for what may stand in a message head; latin1. */

const tokenAlphabet = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

export const token = fc
  .array(fc.constantFrom(...Array.from(tokenAlphabet)), { minLength: 1, maxLength: 12 })
  .map((chars) => chars.join(''));

const valueChars = fc
  .integer({ min: 0x20, max: 0xff })
  .filter((code) => code !== 0x7f)
  .map((code) => String.fromCharCode(code));

/** A field value without surrounding white space, as a parser gives it back. */
export const fieldValue = fc
  .array(fc.oneof(valueChars, fc.constant('\t')), { maxLength: 20 })
  .map((chars) => chars.join('').replace(/^[ \t]+|[ \t]+$/g, ''));

const framingNames = new Set(['content-length', 'transfer-encoding']);

/** Name, value, name, value …; nothing that decides framing. */
export const fieldLines = fc
  .array(fc.tuple(token, fieldValue), { maxLength: 8 })
  .map((lines) => lines.filter(([name]) => !framingNames.has(name.toLowerCase())).flat());

/** Content, and how it is cut into chunks: each with zeros before its size and an extension behind it. */
export const chunks = fc.array(
  fc.record({
    content: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    zeros: fc.constantFrom('', '', '0', '00', '000000000000000'),
    extension: fc.constantFrom('', '', ';a', ';a="b;c"', ';x=y;z', ' ;a', '\t ; a = b'),
    upper: fc.constantFrom('lower', 'upper'),
  }),
  { maxLength: 6 },
);
