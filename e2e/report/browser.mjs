// Opens each page in Chromium as people do: on a desk, in the dark, on a phone, on paper, in grey. Fails if axe
// finds anything, the page asks for anything, is wider than its window, or its style is refused.
import fs from 'node:fs';
import { ask, browser, end, open, views, wrong } from './look.mjs';

const [pages, pictures] = process.argv.slice(2);
fs.mkdirSync(pictures, { recursive: true });

for (const page of ['small', 'hostile', 'large']) {
  for (const view of views) await look(page, view);
  await print(page);
}
await end();

async function look(name, view) {
  const place = `${name}, ${view.name}`;
  // axe is a script, which the page's policy keeps out: the policy holds in every other view of the page.
  for (const bypassCSP of [false, true]) {
    const start = Date.now();
    const page = await open(place, `${pages}/${name}.html`, view, { bypassCSP });
    const took = Date.now() - start;
    if (!bypassCSP) {
      // The style sheet applies although the policy allows one digest only.
      const skip = await page.evaluate(() => getComputedStyle(document.querySelector('.skip')).position);
      if (skip !== 'absolute') wrong.push(`${place}: the style is refused`);
      await page.screenshot({ path: `${pictures}/${name}-${view.name}.png` });
    } else {
      const all = name !== 'large';
      if (all) await page.evaluate(() => document.querySelectorAll('details').forEach(it => { it.open = true; }));
      if (all) await page.screenshot({ path: `${pictures}/${name}-${view.name}-whole.png`, fullPage: true });
      const { passes, violations } = await ask(page, place);
      console.log(`${place}: opens in ${took} ms; axe: ${passes} rules pass, ${violations} do not`);
    }
    await page.context().close();
  }
}

async function print(name) {
  const page = await browser.newPage();
  await page.goto(`file://${pages}/${name}.html`);
  await page.pdf({ path: `${pictures}/${name}.pdf`, format: 'A4', preferCSSPageSize: true });
  await page.close();
}
