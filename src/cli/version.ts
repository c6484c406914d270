/** The version of this package, as package.json and deno.json have it: neither can be read from every place. */
export const VERSION = "0.1.0";
