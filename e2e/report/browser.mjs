// Opens each page in Chromium as people do: on a desk, in the dark, on a phone, on paper, in grey. Fails if axe
// finds anything serious, the page asks for anything, is wider than its window, or its style is refused.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const [pages, pictures] = process.argv.slice(2);
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const views = [
  { name: 'desk', width: 1280, colorScheme: 'light' },
  { name: 'dark', width: 1280, colorScheme: 'dark' },
  { name: 'phone', width: 390, colorScheme: 'light' },
];
fs.mkdirSync(pictures, { recursive: true });
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const wrong = [];

for (const page of ['small', 'hostile', 'large']) {
  for (const view of views) await look(page, view);
  await print(page);
}
await browser.close();
for (const line of wrong) console.error('wrong:', line);
process.exit(wrong.length ? 1 : 0);

async function look(name, { name: view, width, colorScheme }) {
  // axe is a script, which the page's policy keeps out: the policy holds in every other view of the page.
  for (const bypassCSP of [false, true]) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP });
    const page = await context.newPage();
    const place = `${name}, ${view}`;
    page.on('console', message => wrong.push(`${place}: ${message.text()}`));
    page.on('dialog', dialog => { wrong.push(`${place}: a script ran`); dialog.dismiss(); });
    page.on('request', request => request.url().startsWith('file:') || wrong.push(`${place}: asks for ${request.url()}`));
    const start = Date.now();
    await page.goto(`file://${pages}/${name}.html`);
    const took = Date.now() - start;
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) wrong.push(`${place}: ${wide} px wider than the window`);
    if (!bypassCSP) {
      // The style sheet applies although the policy allows one digest only.
      const skip = await page.evaluate(() => getComputedStyle(document.querySelector('.skip')).position);
      if (skip !== 'absolute') wrong.push(`${place}: the style is refused`);
      await page.screenshot({ path: `${pictures}/${name}-${view}.png` });
    } else {
      const all = name !== 'large';
      if (all) await page.evaluate(() => document.querySelectorAll('details').forEach(it => { it.open = true; }));
      if (all) await page.screenshot({ path: `${pictures}/${name}-${view}-whole.png`, fullPage: true });
      await page.evaluate(axe);
      const { violations, passes } = await page.evaluate(() => axe.run(document));
      for (const { impact, id, nodes } of violations) wrong.push(`${place}: axe, ${impact}: ${id}, ${nodes[0].html}`);
      console.log(`${place}: loads in ${took} ms; axe: ${passes.length} rules pass, ${violations.length} do not`);
    }
    await context.close();
  }
}

async function print(name) {
  const page = await browser.newPage();
  await page.goto(`file://${pages}/${name}.html`);
  await page.pdf({ path: `${pictures}/${name}.pdf`, format: 'A4', preferCSSPageSize: true });
  await page.close();
}
