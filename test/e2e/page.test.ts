import { accessSync, constants } from 'node:fs';

import { chromium } from 'playwright-core';
import { describe, expect, it } from 'vitest';

import { startProcess } from '../kit/processes.ts';
import { startServiceProcess } from '../kit/system.ts';

/** Debian's Chromium, or the one that CHROMIUM_BIN names. */
const browserPath = process.env['CHROMIUM_BIN'] ?? '/usr/bin/chromium';

function missingBrowser(): string | undefined {
  try {
    accessSync(browserPath, constants.X_OK);
    return undefined;
  } catch {
    return `no browser at ${browserPath}; install one (apt-get install chromium) or name it in CHROMIUM_BIN`;
  }
}

const missing = missingBrowser();
const required = process.env['CI'] === 'true';
const suite = missing === undefined || required ? describe : describe.skip;

suite(`the demo page${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  it('shows round robin, an instance that is killed, and a new one, without a failed request', async () => {
    expect(missing).toBeUndefined();
    await using demo = await startProcess({
      args: ['gateway/dist/cli.js', 'demo', '--webapp', '1'],
      env: { GATEWAY_PORT: '0', GATEWAY_ADMIN_PORT: '0' },
    });
    await demo.waitFor(/Ctrl-C stops everything/, 30_000);
    const [, url = ''] = /Site\s+(http:\/\/localhost:\d+\/)/.exec(demo.stdout()) ?? [];
    const [, consul = ''] = /Consul\s+(http:\/\/127\.0\.0\.1:\d+)/.exec(demo.stdout()) ?? [];
    const [, victim = ''] = /● api-service-\S+ .* pid (\d+)/.exec(demo.stdout()) ?? [];
    const browser = await chromium.launch({
      executablePath: browserPath,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-sync',
      ],
    });
    try {
      const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(error.message));
      page.on('console', (message) => {
        if (message.type() === 'error') problems.push(message.text());
      });
      await page.goto(url);
      const lanes = page.locator('#lanes > li');
      await page.locator('label', { hasText: /^25$/ }).click();
      await lanes.nth(1).waitFor({ timeout: 15_000 });
      expect(await lanes.count()).toBe(2);

      process.kill(Number(victim), 'SIGKILL');
      await page.locator('#lanes > li[data-state="quiet"]').first().waitFor({ timeout: 15_000 });

      await using _third = await startServiceProcess('api', consul);
      await lanes.nth(2).waitFor({ timeout: 15_000 });
      expect(await page.locator('#figure-failures').textContent()).toBe('0');
      expect(problems).toEqual([]);
      const picture = process.env['SCREENSHOT'];
      if (picture !== undefined) await page.screenshot({ path: picture });
    } finally {
      await browser.close();
    }
  });
});
