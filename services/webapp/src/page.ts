import { createHash } from 'node:crypto';

/** The files that make the page, as text. */
export interface PageSources {
  readonly html: string;
  readonly css: string;
  /** The scripts in an order in which each one comes after those that it imports. */
  readonly scripts: readonly string[];
}

/** The instance that served the page. */
export type PageFacts = Readonly<Record<'instance' | 'port' | 'pid', string | number>>;

/** One document with everything in it. */
export interface Page {
  /** The document with the facts filled in, escaped. */
  render(facts: PageFacts): string;
  /** The `Content-Security-Policy` under which it works and nothing else does. */
  readonly policy: string;
}

const styleTag = '<link rel="stylesheet" href="page.css" />';
const scriptTag = '<script type="module" src="page.js"></script>';

/**
 * Puts style and scripts into the document. One document, because its parts would otherwise come from different
 * instances, during a deploy even from different versions. Throws when the tags or elements do not fit.
 */
export function assemblePage({ html, css, scripts }: PageSources): Page {
  const script = joinModules(scripts);
  for (const [text, end] of [
    [css, '</style'],
    [script, '</script'],
  ] as const)
    if (text.toLowerCase().includes(end)) throw new Error(`${end}> must not appear inside its own element`);
  const whole = put(
    put(html, styleTag, `<style>${css}</style>`),
    scriptTag,
    `<script type="module">${script}</script>`,
  );
  return {
    render: (facts) =>
      whole.replace(/\{\{(instance|port|pid)\}\}/g, (_match, name: keyof PageFacts) =>
        escapeHtml(facts[name]),
      ),
    policy: [
      "default-src 'none'",
      `script-src '${hash(script)}'`,
      `style-src '${hash(css)}'`,
      "connect-src 'self'",
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  };
}

/** Makes one module of several: in one scope they need no imports and exports. */
function joinModules(scripts: readonly string[]): string {
  return scripts
    .map((text) => text.replace(/^import [^;]*;$/gm, '').replace(/^export (?=const|function)/gm, ''))
    .join('\n');
}

function put(html: string, tag: string, element: string): string {
  if (html.split(tag).length !== 2) throw new Error(`the page must contain ${tag} exactly once`);
  return html.replace(tag, () => element);
}

/** A hash source of a content security policy (CSP Level 3 §2.3.1). */
function hash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/** Safe as text and inside a quoted attribute. */
function escapeHtml(value: string | number): string {
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
