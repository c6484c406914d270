import { type Browser, chromium } from "playwright-core";
import { find } from "../../support/system.ts";

/** Starts the `chromium` of the system, without a window: see `ensure("browser")`. */
export async function launchChromium(args: readonly string[] = []): Promise<Browser> {
  return await chromium.launch({
    executablePath: find("chromium") ?? "chromium",
    // As root there is no sandbox, and a container has little shared memory.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", ...args],
  });
}
