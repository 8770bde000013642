// The machine's Chromium, for the scripts beside this one.
import puppeteer from 'puppeteer-core';

const ATTEMPTS = 3;
// Whoever runs the tests as root has no sandbox to give away. Nothing here needs a graphics card, or what it is emulated with.
const FLAGS = ['--disable-gpu', '--disable-background-networking', '--no-first-run', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])];

// Chromium dies now and then while it starts on a busy machine, before it has asked anything of anybody: it is the tool of a test, and is
// taken up again.
export async function launch(executablePath, args = []) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await puppeteer.launch({ executablePath, args: [...FLAGS, ...args], headless: true });
    } catch (fault) {
      if (attempt === ATTEMPTS) throw fault;
      console.error(`Chromium did not start (${attempt} of ${ATTEMPTS}): ${fault}`);
    }
  }
}
