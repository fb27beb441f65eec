// Pages in Chromium as people see them: what every check of pages asks of one.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const views = [
  { name: 'desk', width: 1280, colorScheme: 'light' },
  { name: 'dark', width: 1280, colorScheme: 'dark' },
  { name: 'phone', width: 390, colorScheme: 'light' },
];

// What is wrong, in the order in which it was found.
export const wrong = [];

export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox'],
});

// Opens a file as a page, in a context of its own. It is wrong if the page asks for anything but files, says anything on
// the console, or is wider than its window.
export async function open(place, file, { width, colorScheme }, options = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, ...options });
  const page = await context.newPage();
  page.on('console', message => wrong.push(`${place}: ${message.text()}`));
  page.on('pageerror', error => wrong.push(`${place}: ${error}`));
  page.on('dialog', dialog => { wrong.push(`${place}: a script ran`); dialog.dismiss(); });
  page.on('request', request => request.url().startsWith('file:') || wrong.push(`${place}: asks for ${request.url()}`));
  await page.goto(`file://${file}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) wrong.push(`${place}: ${wide} px wider than the window`);
  return page;
}

// Asks axe. It is wrong if the page breaks any rule, or any whose impact is among those given. How many rules there were.
export async function ask(page, place, impacts) {
  await page.evaluate(axe);
  // It would ask for style sheets once more, which a browser refuses to scripts of files.
  const { violations, passes } = await page.evaluate(() => axe.run(document, { preload: false }));
  const counted = violations.filter(({ impact }) => !impacts || impacts.includes(impact));
  for (const { impact, id, nodes } of counted) wrong.push(`${place}: axe, ${impact}: ${id}, ${nodes[0].html}`);
  return { passes: passes.length, violations: violations.length };
}

// Says what is wrong, and ends.
export async function end() {
  await browser.close();
  for (const line of wrong) console.error('wrong:', line);
  process.exit(wrong.length ? 1 : 0);
}
