// Headless Chromium, as the machine has it. CHROMIUM names another one.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** How long anything may take in a browser, in ms. It only keeps a test from hanging: the machine may be busy. */
export const LIMIT = 90_000;

const options = {
  timeout: LIMIT,
  executablePath: process.env.CHROMIUM ?? PLACES.find(existsSync),
  args: [
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};

/** A browser, whose contexts are private windows. */
export const launch = () => chromium.launch(options);

/** The ordinary window of a browser whose profile is in this folder. */
export const launchWithProfile = (folder) => chromium.launchPersistentContext(folder, options);
