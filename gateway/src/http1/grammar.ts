/** Character classes of RFC 9110 §5.5–5.6 and RFC 9112 as tables over bytes (latin1 code units). 1: belongs to the class. */
type CharClass = Readonly<Uint8Array>;

function charClass(member: (code: number) => boolean): CharClass {
  return Uint8Array.from({ length: 256 }, (_, code) => (member(code) ? 1 : 0));
}

const tokenMarks = "!#$%&'*+-.^_`|~";

/** `tchar` (RFC 9110 §5.6.2): methods and field names are made of these. */
export const tokenChar: CharClass = charClass(
  (code) =>
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a) ||
    tokenMarks.includes(String.fromCharCode(code)),
);

/** What a field value or a reason phrase may hold: HTAB, SP, VCHAR and obs-text (RFC 9110 §5.5). No CR, LF, NUL or other control. */
export const valueChar: CharClass = charClass((code) => code === 0x09 || (code >= 0x20 && code !== 0x7f));

/** All but controls and spaces: the widest that any form of request-target may hold. Which of it a path may hold, the rules judge. */
export const targetChar: CharClass = charClass((code) => code > 0x20 && code !== 0x7f);

/** Whether `text` can stand in a header line without ending it. */
export function isFieldText(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (valueChar[text.charCodeAt(i)] !== 1) return false;
  return true;
}

/** Whether `text` is a token (RFC 9110 §5.6.2), as every method and field name is. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (tokenChar[text.charCodeAt(i)] !== 1) return false;
  return text !== '';
}
