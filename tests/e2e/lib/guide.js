// The fenced samples of a guide, by the comments before them: `<!-- test: NAME -->`.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const SAMPLE = /<!-- test: (.+?) -->\n```\w+\n([\s\S]*?)```\n/g;

export class Guide {
  #samples;

  /** Reads a page of `docs/`. */
  static async read(name) {
    const guide = new Guide();
    const text = await readFile(here(`../../../docs/${name}`), 'utf8');
    guide.#samples = new Map([...text.matchAll(SAMPLE)].map(([, sample, code]) => [sample, code]));
    // Beside the packages, so that samples find them.
    guide.folder = here(`../.guide-${process.pid}`);
    await mkdir(guide.folder, { recursive: true });
    return guide;
  }

  /** The text of a sample. */
  text(name) {
    const text = this.#samples.get(name);
    if (text === undefined) throw new Error(`the guide has no sample ${name}`);
    return text;
  }

  /** A sample as a file; its path. */
  async file(name, extension) {
    const path = `${this.folder}/${name.replace(/\W/g, '-')}.${extension}`;
    await writeFile(path, this.text(name));
    return path;
  }

  /** A sample as a module. */
  async load(name) {
    return import(pathToFileURL(await this.file(name, 'mjs')));
  }

  close() {
    return rm(this.folder, { recursive: true, force: true });
  }
}
