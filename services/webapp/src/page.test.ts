import { createHash } from 'node:crypto';
import { Script } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { readPageSources } from './page-files.ts';
import { assemblePage } from './page.ts';

const facts = { instance: 'webapp-service-x7k2', port: 4711, pid: 42 };
const shell = '<link rel="stylesheet" href="page.css" /><script type="module" src="page.js"></script>';

describe('the page', () => {
  const page = assemblePage(readPageSources());
  const html = page.render(facts);
  const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? '';
  const script = /<script type="module">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '';

  it('names the instance that served it', () => {
    expect(html).toContain('>webapp-service-x7k2</strong>');
    expect(html).not.toMatch(/\{\{(instance|port|pid)\}\}/);
  });

  it('loads nothing', () => {
    expect(html).not.toMatch(/<script[^>]* src=|<link[^>]* href="(?!data:)|url\(|@import/);
  });

  it('is covered by its own policy, to the byte', () => {
    for (const text of [style, script]) {
      expect(text).not.toBe('');
      const digest = createHash('sha256').update(text).digest('base64');
      expect(page.policy).toContain(`'sha256-${digest}'`);
    }
    expect(page.policy).not.toContain('unsafe');
    expect(html).not.toMatch(/ (?:style|on[a-z]+)="/);
  });

  it('has one script in which nothing is imported, exported or declared twice', () => {
    expect(script).not.toMatch(/^(import|export) /m);
    expect(() => new Script(script)).not.toThrow();
  });

  it('never lets data become markup', () => {
    expect(script).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/);
    const hostile = page.render({ ...facts, instance: `"><img src=x onerror='alert(1)'>$&` });
    expect(hostile).not.toContain('<img');
    expect(hostile).toContain('&#62;&#60;img');
    expect(hostile).toContain('$&#38;');
  });
});

describe('assemblePage', () => {
  it('refuses a style or a script that would end its own element', () => {
    expect(() => assemblePage({ html: shell, css: '</STYLE>', scripts: [] })).toThrow('</style>');
    expect(() => assemblePage({ html: shell, css: '', scripts: ['"</script>"'] })).toThrow('</script>');
  });

  it('refuses a page without a place for them', () => {
    expect(() => assemblePage({ html: '', css: '', scripts: [] })).toThrow('exactly once');
  });
});
