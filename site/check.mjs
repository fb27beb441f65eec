// Looks at every page of the built site in Chromium, on a desk, in the dark and on a phone: site/check.mjs SITE PICTURES [PAGE…]
// Fails if a link or an anchor leads nowhere, a page asks for anything that is no file of the site, is wider than its
// window, or axe finds something serious; or if the search does not find what it is asked for.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask, end, open, views, wrong } from './look.mjs';

// The site's pages, or for a quick look these alone.
const [site, pictures, ...some] = process.argv.slice(2);
const repository = process.env.SITE_REPOSITORY;
const checkout = path.resolve(site, '../..');
fs.mkdirSync(pictures, { recursive: true });

// Each page's anchors, and the links to be followed when all are known.
const anchors = new Map();
const links = [];
// Pages that are kept as pictures, for people.
const kept = ['index.html', 'quickstart.html', 'rules.html', 'evidence.html', 'monitoring.html', 'cli.html'];

const pages = some.length ? some : fs.readdirSync(site).filter(file => file.endsWith('.html')).sort();
for (const name of pages) {
  let passes = 0;
  for (const view of views) {
    const place = `${name}, ${view.name}`;
    const page = await open(place, `${site}/${name}`, view);
    if (view.name === 'desk') await read(page, name);
    if (kept.includes(name)) await page.screenshot({ path: `${pictures}/${name.replace('.html', '')}-${view.name}.png` });
    // The navigation alone, a frame where scripts are off: no page of its own.
    if (name !== 'toc.html') ({ passes } = await ask(page, place, ['serious', 'critical']));
    await page.context().close();
  }
  console.log(`${name}: ${anchors.get(name).size} anchors; axe: ${passes} rules pass`);
}
const followed = links.filter(link => !leads(link)).map(({ name, url }) => `${name}: ${url} leads nowhere`);
wrong.push(...followed);
console.log(`${links.length} links of ${pages.length} pages, of which ${followed.length} lead nowhere`);
await search();
await end();

async function read(page, name) {
  const { ids, urls } = await page.evaluate(() => ({
    ids: [...document.querySelectorAll('[id], a[name]')].map(it => it.id || it.name),
    // As the browser reads them, with those that scripts made.
    urls: [...document.querySelectorAll('[href], [src]')].map(it => [it.localName, it.href?.baseVal ?? it.href ?? it.src]),
  }));
  anchors.set(name, new Set(ids));
  for (const [element, url] of urls) links.push({ name, element, url });
}

function leads({ name, element, url }) {
  if (repository && url.startsWith(`${repository}/`)) url = `file://${checkout}${url.slice(repository.length)}`;
  // Other hosts are not asked; a request to them, which only a link may be, is refused where the page is opened.
  if (!url.startsWith('file:')) return element === 'a' && url.startsWith('https:');
  const [file, anchor] = url.split('#');
  const place = fileURLToPath(file);
  if (!fs.existsSync(place)) return false;
  if (!anchor) return true;
  const there = path.dirname(place) === site ? anchors.get(path.basename(place)) : undefined;
  // An anchor in a source file or a page that stays in the repository is the other tests' business.
  return there ? there.has(decodeURIComponent(anchor)) : some.length > 0 || !place.startsWith(`${site}/`);
}

// What people type, and the page that has to be among the first three answers.
async function search() {
  const asked = {
    seccompProfile: 'rules.html', 'service account token': 'rules.html', 'user namespace': 'rules.html', rollback: 'adopting.html',
    'fail open': 'webhook.html', CrashLoopBackOff: 'troubleshooting.html', 'read-only file system': 'troubleshooting.html',
    exempt: 'exemptions.html', upgrade: 'releasing.html', uninstall: 'deploy.html', 'high availability': 'deploy.html',
    argocd: 'gitops.html', 'github action': 'pipelines.html', performance: 'performance.html', 'break glass': 'breakglass.html',
  };
  const page = await open('search', `${site}/index.html`, views[0]);
  await page.keyboard.press('s');
  const links = page.locator('#mdbook-searchresults a');
  for (const [words, wanted] of Object.entries(asked)) {
    await page.locator('#mdbook-searchbar').fill('');
    await links.first().waitFor({ state: 'detached', timeout: 10_000 });
    await page.keyboard.type(words);
    await links.first().waitFor({ timeout: 10_000 }).catch(() => {});
    const found = await links.evaluateAll(all => all.map(it => it.getAttribute('href').split(/[?#]/)[0]));
    if (!found.slice(0, 3).includes(wanted)) wrong.push(`search: ${words}: ${wanted} is not among the first: ${found.slice(0, 3)}`);
  }
  console.log('search:', Object.keys(asked).length, 'questions asked');
  await page.screenshot({ path: `${pictures}/search.png` });
}
