// A browser that opens one page and stays there until it is ended: `node visit.mjs CHROMIUM URL [FLAG…]`.
import { launch } from './chromium.mjs';

const [executable, url, ...flags] = process.argv.slice(2);
const browser = await launch(executable, flags);
const page = await browser.newPage();
await page.goto(url);
