/**
 * Make the files that are published from src/: `node build.js`, or `node build.js --check`, which
 * only says whether they are up to date.
 *
 *     simmer.js, react.js      one ES module each, which a page without a bundler imports as it is
 *     simmer.cjs, react.cjs    the same for `require`, with types of their own (.d.cts)
 *
 * The modules of src/ are put one after another, in the order of their imports, so each name of the
 * top level must be used once. No bundler: there is nothing to resolve, and the result is read as
 * easily as its source.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";

const FOLDER = new URL(".", import.meta.url);
const IMPORT = /^import \{([^}]*)\} from "([^"]+)";\n/gm;
const EXPORT_FROM = /^export \{([^}]*)\} from "([^"]+)";\n/gm;
const DECLARATION = /^(?:async )?(?:export )?(?:async )?(?:class|const|let|function) (\w+)/gm;

const names = (list) => list.split(",").map((name) => name.trim()).filter(Boolean);

/** The modules that `file` needs, itself last, each once. */
function ordered(file, seen = new Map()) {
  const source = readFileSync(new URL(`src/${file}`, FOLDER), "utf8");
  for (const [, , from] of [...source.matchAll(IMPORT), ...source.matchAll(EXPORT_FROM)]) {
    const needed = from.replace("./", "");
    if (from.startsWith("./") && !seen.has(needed)) ordered(needed, seen);
  }
  seen.set(file, source);
  return seen;
}

function bundle(file) {
  const modules = ordered(file);
  const exported = [];
  const outside = [];
  const declared = new Set();
  const parts = [...modules].map(([name, source]) => {
    for (const [, list, from] of source.matchAll(IMPORT)) {
      if (!from.startsWith("./")) outside.push([names(list), from]);
    }
    for (const [, list] of source.matchAll(EXPORT_FROM)) exported.push(...names(list));
    for (const [, each] of source.matchAll(DECLARATION)) {
      if (declared.has(each)) throw new Error(`src/${name}: ${each} is declared twice`);
      declared.add(each);
    }
    if (name === file) {
      for (const [, each] of source.matchAll(/^export (?:async )?(?:class|const|function) (\w+)/gm)) {
        exported.push(each);
      }
    }
    return source.replace(IMPORT, "").replace(EXPORT_FROM, "").replace(/^export /gm, "").trim();
  });
  // The entry's own words come first: they say what the module is.
  const [words] = /^\/\*\*[\s\S]*?\*\/\n/.exec(parts.at(-1)) ?? [""];
  parts.push(parts.pop().slice(words.length).trim());
  const body = parts.filter(Boolean).join("\n\n");
  const note = "// Made by build.js from src/: change it there.\n";
  const list = exported.sort().join(", ");
  return {
    esm: [
      `${words}\n${note}`,
      ...outside.map(([each, from]) => `import { ${each.join(", ")} } from "${from}";\n`),
      `${body}\n`,
      `export { ${list} };\n`,
    ].join("\n"),
    cjs: [
      `"use strict";\n\n${words}\n${note}`,
      ...outside.map(([each, from]) => `const { ${each.join(", ")} } = require("${from}");\n`),
      `${body}\n`,
      `module.exports = { ${list} };\n`,
    ].join("\n"),
  };
}

const isCheck = process.argv.includes("--check");

function put(file, text) {
  const url = new URL(file, FOLDER);
  if (!isCheck) return writeFileSync(url, text);
  if (existsSync(url) && readFileSync(url, "utf8") === text) return;
  console.error(`${file} is not what its source makes of it: node build.js`);
  process.exitCode = 1;
}

for (const [entry, name] of [["index.js", "simmer"], ["react.js", "react"]]) {
  const { esm, cjs } = bundle(entry);
  put(`${name}.js`, esm);
  put(`${name}.cjs`, cjs);
  const types = readFileSync(new URL(`${name}.d.ts`, FOLDER), "utf8");
  put(`${name}.d.cts`, types.replace(/"\.\/(\w+)\.js"/g, '"./$1.cjs"'));
}
