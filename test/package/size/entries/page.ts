export { observe } from "../../../../src/page.ts";
