// Makes chapters of pages that were written for GitHub. mdBook hands the book over on standard input.
// Pages from outside docs/ get a name in the site's one directory, and every link is changed to what it means there:
// to another page, to a file of docs/, which mdBook copies, or to the repository.
import path from 'node:path';
import { pathToFileURL } from 'node:url';

// Whatever renderer asks, the pages are the same.
if (process.argv[2] === 'supports') process.exit(0);

const [, book] = JSON.parse(await new Response(process.stdin).text());
const root = path.resolve(import.meta.dirname, '..');
// Where files that are no pages are shown. Without it they are those of this checkout.
const repository = process.env.SITE_REPOSITORY || pathToFileURL(root).href;

const chapters = [];
collect(book.items);
// From a page's path in the repository to its name in the site: README.md is the front, deploy/README.md is deploy.md.
const names = new Map(chapters.map(chapter => [inRepository(chapter), name(inRepository(chapter))]));
for (const chapter of chapters) {
  const page = inRepository(chapter);
  chapter.content = outsideCode(chapter.content, text => pictures(text).replace(/\]\(([^)]+)\)/g, (whole, link) =>
    /^[a-z]+:/.test(link) ? whole : `](${target(page, link)})`));
  chapter.path = names.get(page);
}
console.log(JSON.stringify(book));

function collect(items) {
  for (const { Chapter: chapter } of items) {
    if (!chapter) continue; // the title of a part
    chapters.push(chapter);
    collect(chapter.sub_items);
  }
}

function inRepository(chapter) {
  return path.posix.normalize(`docs/${chapter.source_path}`);
}

function name(page) {
  if (page === 'README.md') return 'index.md';
  return page.replace(/^docs\//, '').replace(/\/README\.md$/, '.md').replaceAll('/', '-').toLowerCase();
}

function target(page, link) {
  const [file, anchor] = link.split('#');
  const end = anchor === undefined ? '' : `#${anchor}`;
  if (!file) return end;
  const meant = path.posix.join(path.posix.dirname(page), file);
  if (names.has(meant)) return names.get(meant) + end;
  return meant.startsWith('docs/') && !meant.endsWith('.md') ? meant.slice('docs/'.length) : `${repository}/${meant}${end}`;
}

// `<!-- picture FILE of PAGE: words -->` is a picture that is made with the site and leads to the page that it shows.
// GitHub shows nothing.
function pictures(text) {
  return text.replace(/<!-- picture (\S+) of (\S+): ([^>]*?) -->/g, (_, file, page, words) =>
    `[![${words}](pictures/${file})](${page})`);
}

// The text with `change` made of all that is no fenced block and no code within a line.
function outsideCode(text, change) {
  return text.split(/(^```[^]*?^```$|`[^`\n]+`)/m).map((part, index) => index % 2 ? part : change(part)).join('');
}
