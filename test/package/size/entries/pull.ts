export { createPullTransport } from "../../../../src/index.ts";
