// The pictures in the pages, of what a browser shows: site/pictures.mjs SITE
import { browser, end, open } from './look.mjs';

const [site] = process.argv.slice(2);
const page = await open('sample report', `${site}/sample-report.html`, { width: 1280, colorScheme: 'light' });
await page.screenshot({ path: `${site}/pictures/report.png` });
await end();
