/**
 * The package as it is published, in the tools that apps are made with. Runs in a folder where these
 * are installed, and where node_modules/simmer-client is what `npm pack` made.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { before, test } from "node:test";
import { runInNewContext } from "node:vm";

const require = createRequire(import.meta.url);
const HERE = import.meta.dirname;
const WORK = join(HERE, "work");

// What an app may do with it: a refused request tells that the whole client is there, and the name
// of its error that a minifier did not change it.
const APP = `
import { SimmerClient } from "simmer-client";
import { useJob } from "simmer-client/react";
const fetch = async (url, { method }) => ({
  status: 404,
  headers: { get: () => null },
  text: async () => JSON.stringify({ code: "job_not_found", detail: method + " " + url }),
});
const client = new SimmerClient({ baseUrl: "http://x", token: "t", push: false, fetch });
client.job().resume("7").catch(({ name, code, message }) => globalThis.told([name, code, message, typeof useJob]));
`;
// A library that requires what the app imports: were there two clients, no error would be `instanceof` the other's.
const BOTH = `
import { SimmerError } from "simmer-client";
globalThis.told([SimmerError === require("simmer-client").SimmerError]);
`;
const TOLD = ["RequestRefused", "job_not_found", "GET http://x/recipe/status/7", "function"];

before(() => {
  rmSync(WORK, { recursive: true, force: true });
  mkdirSync(WORK);
  writeFileSync(join(WORK, "app.js"), APP);
  writeFileSync(join(WORK, "both.js"), BOTH);
});

/** What a bundle tells when it is run where there is neither a DOM nor node. */
function run(file) {
  return new Promise((told, failed) => {
    const platform = { console, setTimeout, clearTimeout, AbortController, URL, told, performance };
    platform.globalThis = platform.window = platform.self = platform;
    platform.process = { env: { NODE_ENV: "production" } };
    setTimeout(() => failed(new Error("the bundle told nothing")), 10_000).unref();
    runInNewContext(readFileSync(file, "utf8"), platform, { filename: file });
  }).then((list) => Array.from(list));
}

test("node imports it", () => {
  const ask = 'import("simmer-client").then(async (m) => console.log(Object.keys(m).join(), Object.keys(await import("simmer-client/react")).join()))';
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", ask], { cwd: HERE, encoding: "utf8" });
  assert.match(said, /JobFailed.*SimmerClient.* useJob/);
});

test("node requires it, also where ES modules cannot be required", () => {
  const ask = 'console.log(Object.keys(require("simmer-client")).join(), Object.keys(require("simmer-client/react")).join(), require("simmer-client/package.json").name)';
  const args = ["--no-experimental-require-module", "--input-type=commonjs", "-e", ask];
  const said = execFileSync(process.execPath, args, { cwd: HERE, encoding: "utf8" });
  assert.match(said, /JobFailed.*SimmerClient.* useJob simmer-client/);
});

for (const format of ["iife", "esm"]) {
  test(`esbuild bundles it (${format}, minified)`, async () => {
    const esbuild = require("esbuild");
    const outfile = join(WORK, `esbuild-${format}.js`);
    await esbuild.build({
      ...{ entryPoints: [join(WORK, "app.js")], bundle: true, minify: true, outfile, format },
      logLevel: "silent",
    });
    assert.deepEqual(await run(outfile), TOLD);
  });
}

test("webpack bundles it", async () => {
  const webpack = require("webpack");
  const stats = await new Promise((resolve, reject) => {
    webpack(
      {
        ...{ mode: "production", entry: join(WORK, "app.js"), target: ["web", "es2022"], context: HERE },
        output: { path: WORK, filename: "webpack.js" },
      },
      (error, made) => (error ? reject(error) : resolve(made)),
    );
  });
  assert.deepEqual(stats.toJson({ all: false, errors: true, warnings: true }).errors, []);
  assert.deepEqual(await run(join(WORK, "webpack.js")), TOLD);
});

test("Vite bundles it", async () => {
  const { build } = await import("vite");
  await build({
    ...{ root: HERE, configFile: false, logLevel: "error" },
    build: {
      ...{ outDir: join(WORK, "vite"), emptyOutDir: false, minify: true },
      lib: { entry: join(WORK, "app.js"), formats: ["iife"], name: "app", fileName: () => "vite.js" },
    },
  });
  assert.deepEqual(await run(join(WORK, "vite", "vite.js")), TOLD);
});

// With the conditions that React Native's own configuration of that Metro names.
for (const [name, conditions] of Object.entries({ "metro-081": ["require", "react-native"], metro: ["react-native"] })) {
  for (const hasExports of [false, true]) {
    test(`${name} bundles it, package exports ${hasExports ? "on" : "off"}`, async () => {
      const nearby = createRequire(require.resolve(`${name}/package.json`));
      const Metro = require(name);
      const { getDefaultConfig, mergeConfig } = nearby("metro-config");
      const base = await (getDefaultConfig.default ?? getDefaultConfig)(HERE);
      const config = (mergeConfig.default ?? mergeConfig)(base, {
        ...{ projectRoot: HERE, watchFolders: [HERE], maxWorkers: 1, cacheStores: [], resetCache: true },
        reporter: { update() {} },
        resolver: {
          ...{ unstable_enablePackageExports: hasExports, useWatchman: false },
          unstable_conditionNames: conditions,
        },
        transformer: { babelTransformerPath: require.resolve("@react-native/metro-babel-transformer") },
      });
      for (const [app, told] of Object.entries({ app: TOLD, both: [true] })) {
        const out = join(WORK, `${name}-${hasExports}-${app}`);
        await Metro.runBuild(config, { entry: `work/${app}.js`, out, dev: false, minify: true, platform: "ios" });
        assert.deepEqual(await run(`${out}.js`), told);
      }
    });
  }
}


const TYPES = `
import { JobFailed, SimmerClient, SimmerError, type AnySimmerError, type Job, type Part } from "simmer-client";
import { useJob, type JobSnapshot } from "simmer-client/react";

interface Recipes { recipes: { name: string }[] }
const simmer = new SimmerClient({ baseUrl: "https://x", token: ({ renew }) => (renew ? undefined : "t") });
const job: Job<Recipes> = simmer.job<Recipes>({ onUpdate: ({ progress }) => progress.toFixed() });
export const names: Promise<string[]> = job.submit({}, { fresh: true }).then(({ recipes }) => recipes.map(({ name }) => name));
export const parts = simmer.job<Recipes>({ onPart: (part: Part<Recipes>, { outline }) => part.value.name + outline?.[part.position]?.title });
export const some: string[] | undefined = job.partialResult?.recipes.map(({ name }) => name);
export const waiting = job.outline?.filter(({ state }) => state === "waiting").length;
export const ended: Promise<string> = job.cancel({ everywhere: true });

export function explain(error: AnySimmerError): string {
  switch (error.name) {
    case "JobFailed": {
      // A code is completed by an editor, and one that is not known yet is no error.
      const late: boolean = error.code === "deadline_exceeded" || error.code === "something_new";
      return String(late);
    }
    case "RequestRefused":
      return error.errors.map(({ field, message }) => field + message).join();
    case "JobCancelled": {
      const goesOn: boolean = error.goesOn;
      return String(goesOn);
    }
    case "MalformedAnswer":
    case "Unreachable":
    case "DeadlineExceeded": {
      const code: "malformed_answer" | "unreachable" | "client_deadline" = error.code;
      return code;
    }
  }
}

export const isOurs = (error: unknown): boolean => error instanceof JobFailed || error instanceof SimmerError;

export function Screen(): string {
  const seen: JobSnapshot<Recipes> = useJob<Recipes>(simmer, { jobId: null, onId: (id) => id.trim() });
  seen.submit({ ingredients: ["egg"] }, { idempotencyKey: "k" });
  // @ts-expect-error a snapshot is not written to
  seen.progress = 3;
  // @ts-expect-error a token is needed
  new SimmerClient({ baseUrl: "" });
  return (seen.result ?? seen.partialResult)?.recipes[0]?.name ?? seen.outline?.[0]?.title ?? "";
}
`;

const DOM = `
import { SimmerClient } from "simmer-client";
export const client = new SimmerClient({
  baseUrl: "", token: "t", fetch, WebSocket,
});
export const job = client.job({ signal: new AbortController().signal });
`;

for (const compiler of ["typescript", "typescript-5"]) {
  for (const [name, options, file, source] of [
    ["bundler", { module: "esnext", moduleResolution: "bundler" }, "a.ts", TYPES],
    ["node16, ES module", { module: "node16", moduleResolution: "node16" }, "a.mts", TYPES],
    ["node16, CommonJS", { module: "node16", moduleResolution: "node16" }, "a.cts", TYPES],
    compiler === "typescript-5" // the last that knows it
      ? ["node10", { module: "esnext", moduleResolution: "node10" }, "a.ts", TYPES]
      : ["nodenext", { module: "nodenext", moduleResolution: "nodenext" }, "a.mts", TYPES],
    ["the DOM's own fetch", { module: "esnext", moduleResolution: "bundler", lib: ["es2022", "dom"] }, "a.ts", DOM],
  ]) {
    test(`${compiler}: ${name}, without DOM unless said, every declaration checked`, () => {
      const folder = join(WORK, `${compiler} ${name}`);
      mkdirSync(folder);
      writeFileSync(join(folder, file), source);
      const compilerOptions = {
        ...{ strict: true, noEmit: true, skipLibCheck: false, types: [], target: "es2022", lib: ["es2022"] },
        ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, ...options },
      };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [file] }));
      const { version, bin } = require(`${compiler}/package.json`);
      const tsc = join(HERE, "node_modules", compiler, bin.tsc);
      assert.match(version, compiler === "typescript" ? /^7\./ : /^5\./);
      try {
        execFileSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
      } catch (error) {
        assert.fail(error.stdout);
      }
    });
  }
}
