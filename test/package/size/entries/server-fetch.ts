export { createFetchHandler } from "../../../../src/server-fetch.ts";
