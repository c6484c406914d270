// Loaded before anything else by a process that runs tests with a fault in the code: replaces the source of one file as it
// is loaded. Nothing on disk changes, so that many such processes run beside each other.
import { registerHooks } from "node:module";
import process from "node:process";

const { CONNECT_LB_MUTANT: text } = process.env;
if (text !== undefined) {
  const mutant = JSON.parse(text) as { url: string; start: number; end: number; text: string };
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (url !== mutant.url) return loaded;
      const source = new TextDecoder().decode(loaded.source as Uint8Array);
      return { ...loaded, source: source.slice(0, mutant.start) + mutant.text + source.slice(mutant.end) };
    },
  });
}
