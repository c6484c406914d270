// Programs that tests need from the system rather than from npm: which of them are there, and how to get the others.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** Each program, with Debian's and Homebrew's package of it. */
const PROGRAMS = {
  etcd: { debian: "etcd-server", brew: "etcd" },
  etcdctl: { debian: "etcd-client", brew: "etcd" },
  nginx: { debian: "nginx-light", brew: "nginx" },
  haproxy: { debian: "haproxy", brew: "haproxy" },
  nghttpd: { debian: "nghttp2-server", brew: "nghttp2" },
  nghttp: { debian: "nghttp2-client", brew: "nghttp2" },
  h2load: { debian: "nghttp2-client", brew: "nghttp2" },
  curl: { debian: "curl", brew: "curl" },
  chromium: { debian: "chromium", brew: "chromium" },
} as const;
export type Program = keyof typeof PROGRAMS;

/** What tests need together: a real etcd, the servers, proxies and clients that speak HTTP/2, and a browser. */
export type Group = "etcd" | "peers" | "browser";
export const GROUPS: Readonly<Record<Group, readonly Program[]>> = {
  etcd: ["etcd", "etcdctl"],
  peers: ["nginx", "haproxy", "nghttpd", "nghttp", "h2load", "curl"],
  browser: ["chromium"],
};

/** Leaves out whatever needs a program of the system; the variables of {@link GROUPS} leave out one group. */
const SKIP_ALL = "CONNECT_LB_SKIP_SYSTEM";
const SKIP: Readonly<Record<Group, string>> = {
  etcd: "CONNECT_LB_SKIP_ETCD",
  peers: "CONNECT_LB_SKIP_PEERS",
  browser: "CONNECT_LB_SKIP_BROWSER",
};

/** For `it(name, { skip }, …)`: false, or why tests that need this group are left out. */
export function skipped(group: Group): string | false {
  const left = (variable: string, programs: readonly Program[]) =>
    process.env[variable] === "1" && `${variable}=1 leaves out tests that need ${list(programs)}`;
  return left(SKIP_ALL, Object.values(GROUPS).flat()) || left(SKIP[group], GROUPS[group]);
}

/** Where a program is; system programs stand in folders that are not on every user's path. */
export function find(program: Program | "etcdutl"): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

/** Which programs of these groups are missing. */
export function missing(groups: readonly Group[]): readonly Program[] {
  return groups.flatMap((group) => GROUPS[group]).filter((program) => find(program) === undefined);
}

/** Whether missing programs can be installed without asking: as root, on Debian or a relative. */
export function installs(): boolean {
  return process.getuid?.() === 0 && existsSync("/etc/debian_version");
}

/** The command that installs these programs on Debian. */
export function installCommand(programs: readonly Program[]): string {
  return `apt-get install --no-install-recommends ${packages(programs, "debian")}`;
}

/**
 * Makes sure that the programs of these groups are there: installs those that are missing where that is possible without
 * asking (see {@link installs}), and says so.
 *
 * @throws Error with what to do, if some are still missing.
 */
export function ensure(...groups: readonly Group[]): void {
  const programs = missing(groups);
  if (programs.length === 0) return;
  if (installs()) {
    // On standard error: tests write to standard output.
    console.error(`Installing what tests need and is missing: ${installCommand(programs)}`);
    const quiet = { stdio: "ignore", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } } as const;
    const apt = (...args: string[]) => execFileSync("apt-get", ["-o", "DPkg::Lock::Timeout=120", ...args], quiet);
    try {
      apt("update");
      // Installing starts them as services where there is an init system; tests use their own processes.
      apt("install", "-y", "--no-install-recommends", ...packages(programs, "debian").split(" "));
    } catch {
      // Said below, with what to do.
    }
  }
  const still = missing(groups);
  if (still.length > 0) throw new Error(whatToDo(still, groups));
}

/** What somebody reads whose system lacks programs. */
export function whatToDo(programs: readonly Program[], groups: readonly Group[]): string {
  const skip = groups.length === 1 ? SKIP[groups[0] as Group] : SKIP_ALL;
  return [
    `Tests need ${list(programs)}, which can't be found. One of these helps:`,
    `  Debian, Ubuntu:          sudo ${installCommand(programs)}`,
    `  macOS:                   brew install ${packages(programs, "brew")}`,
    `  without those tests:     ${skip}=1 npm test`,
  ].join("\n");
}

function packages(programs: readonly Program[], of: "debian" | "brew"): string {
  return [...new Set(programs.map((program) => PROGRAMS[program][of]))].join(" ");
}

function list(programs: readonly Program[]): string {
  return programs.length < 2 ? programs.join("") : `${programs.slice(0, -1).join(", ")} and ${programs.at(-1)}`;
}
