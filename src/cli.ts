#!/usr/bin/env node
/**
 * The command `connect-lb`, for Node, Bun and Deno: `npx connect-lb`, `bunx connect-lb`,
 * `deno run -A npm:connect-lb`, or `deno run -A jsr:@connect-lb/connect-lb/cli`. It is a program: importing it runs it.
 *
 * @module
 */
import { runProcess } from "./cli/process.ts";

await runProcess();
