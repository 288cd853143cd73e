// Builds dist/: index.html, licenses.txt and assets/ whose names carry a hash of their content.
// With --tests, builds the unit tests into .cache/tests/ instead.
import { createHash } from 'node:crypto';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const at = (...parts) => path.join(here, ...parts);

async function buildTests() {
  await rm(at('.cache/tests'), { recursive: true, force: true });
  const tests = (await readdir(at('test'))).filter((name) => name.endsWith('.test.ts'));
  await build({
    absWorkingDir: here,
    entryPoints: tests.map((name) => `test/${name}`),
    outdir: '.cache/tests',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    logLevel: 'warning',
  });
}

async function buildPage() {
  await rm(at('dist'), { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: here,
    entryPoints: { console: 'src/main.tsx' },
    outdir: 'dist/assets',
    entryNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['chrome111', 'firefox114', 'safari16.4'],
    jsx: 'automatic',
    legalComments: 'none',
    charset: 'utf8',
    metafile: true,
    logLevel: 'warning',
    define: { 'process.env.NODE_ENV': '"production"' },
    alias: { 'react-style-singleton': './src/vendor/style-singleton.ts' },
    plugins: [withoutFonts],
  });

  const outputs = Object.keys(metafile.outputs).map((file) => path.basename(file));
  const icon = await readFile(at('src/icon.svg'));
  const iconName = `icon-${createHash('sha256').update(icon).digest('hex').slice(0, 8).toUpperCase()}.svg`;
  await writeFile(at('dist/assets', iconName), icon);

  const page = await readFile(at('src/index.html'), 'utf8');
  const names = {
    SCRIPT: outputs.find((name) => name.endsWith('.js')),
    STYLE: outputs.find((name) => name.endsWith('.css')),
    ICON: iconName,
  };
  await writeFile(at('dist/index.html'), page.replace(/%(\w+)%/g, (_, name) => `assets/${names[name]}`));
  await writeFile(at('dist/licenses.txt'), await licences(metafile));
}

/** GraphiQL's style sheet carries two fonts as base64, 360 KB: the console uses those of the system. */
const withoutFonts = {
  name: 'without-fonts',
  setup(esbuild) {
    esbuild.onLoad({ filter: /[\\/]graphiql[\\/]dist[\\/]style\.css$/ }, async ({ path: file }) => {
      const css = await readFile(file, 'utf8');
      return { contents: css.replace(/@font-face\s*\{[^}]*\}/g, ''), loader: 'css' };
    });
  },
};

/** The licence of every package of which something is in the bundle. */
async function licences(metafile) {
  const inputs = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file),
  );
  const folders = new Set(inputs.map((file) => file.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1]).filter(Boolean));
  const texts = await Promise.all([...folders].sort().map(licenceOf));
  return `The Artesian console contains these packages.\n\n${texts.join('\n')}`;
}

async function licenceOf(folder) {
  const { name, version, license } = JSON.parse(await readFile(at(folder, 'package.json'), 'utf8'));
  const file = (await readdir(at(folder))).find((each) => /^licen[cs]e/i.test(each));
  const text = file ? await readFile(at(folder, file), 'utf8') : '';
  return `${'='.repeat(78)}\n${name} ${version} (${license ?? 'see below'})\n${'='.repeat(78)}\n${text.trim()}\n`;
}

await (process.argv.includes('--tests') ? buildTests() : buildPage());
