// A browser that looks at one page: `node browser.mjs`, with what to do as one JSON object on stdin:
// {browser, url, looks: [{width, scheme, screenshot?}], login?: {username, password}}. What it saw is one JSON object on stdout: every request it made, whatever
// the console said, and for each look how wide the page is, its text, what the accessibility tree holds and what axe-core finds.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { launch } from './chromium.mjs';

const { browser: executablePath, url, looks, login } = JSON.parse(readFileSync(0, 'utf8'));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

function roles(node, counted = {}) {
  counted[node.role] = (counted[node.role] ?? 0) + 1;
  for (const child of node.children ?? []) roles(child, counted);
  return counted;
}

async function look(page, { width, scheme, screenshot }) {
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
  if (screenshot) await page.screenshot({ path: screenshot, fullPage: true });
  const tree = await page.accessibility.snapshot({ interestingOnly: false });
  const found = await page.evaluate(`axe.run(document, { runOnly: ${JSON.stringify(RULES)} })`);
  const scrollWidth = await page.evaluate('document.documentElement.scrollWidth');
  const unfold = (open) => page.evaluate(`document.querySelectorAll('details').forEach((one) => { one.open = ${open}; })`);
  await unfold(true);
  const unfoldedWidth = await page.evaluate('document.documentElement.scrollWidth');
  const unfoldedText = await page.evaluate('document.body.innerText');
  if (screenshot) await page.screenshot({ path: screenshot.replace('.png', '-unfolded.png'), fullPage: true });
  await unfold(false);
  return {
    width,
    scheme,
    scrollWidth,
    unfoldedWidth,
    unfoldedText,
    ground: await page.evaluate('getComputedStyle(document.body).backgroundColor'),
    text: await page.evaluate('document.body.innerText'),
    roles: roles(tree),
    passed: found.passes.map((rule) => rule.id),
    violations: found.violations.map((rule) => `${rule.id}: ${rule.help}: ${rule.nodes.map((node) => `${node.target}: ${node.failureSummary}`).join('; ')}`),
  };
}

const browser = await launch(executablePath);
try {
  const page = await browser.newPage();
  if (login) await page.authenticate(login);
  const seen = { requests: [], console: [], looks: [] };
  page.on('request', (request) => seen.requests.push(`${request.method()} ${request.url()}`));
  page.on('console', (message) => seen.console.push(message.text()));
  page.on('pageerror', (error) => seen.console.push(`${error}`));
  const response = await page.goto(url, { waitUntil: 'load', timeout: 20_000 });
  seen.status = response?.status();
  seen.headers = response?.headers();
  seen.title = await page.title();
  // By the inspector and not by the page, whose policy allows no script.
  await page.evaluate(axe);
  for (const one of looks) seen.looks.push(await look(page, one));
  // Tab through it: what has the focus, in order.
  seen.focus = [];
  for (let press = 0; press < 6; press += 1) {
    await page.keyboard.press('Tab');
    seen.focus.push(await page.evaluate('document.activeElement.innerText'));
  }
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
