import { type Command, type Context, defineCommand } from "../command.ts";
import { MEMBERS, PROBED } from "../doctor/doctor-views.ts";
import { type Examination, examine } from "../doctor/examine.ts";
import { type GroupedFinding, groupFindings, hasFaults } from "../doctor/finding.ts";
import { findingLines, summaryText } from "../doctor/print-findings.ts";
import { ETCD_OPTIONS } from "../etcd-options.ts";
import { etcdTarget } from "../read-etcd-options.ts";
import { EXIT } from "../exit.ts";
import { Output, OUTPUT_OPTIONS } from "../output.ts";
import { Progress } from "../progress.ts";
import { SERVER_OPTIONS, serverTls } from "../server-options.ts";
import { durationMs } from "../values.ts";

const OPTIONS = {
  ...OUTPUT_OPTIONS,
  "connect-timeout": {
    type: "string",
    value: "DURATION",
    help: "how long a server may take to answer",
    default: "3s",
  },
  ...ETCD_OPTIONS,
  ...SERVER_OPTIONS,
} as const;

/** How many servers the table shows; JSON has all. */
const MOST_SHOWN = 20;

/** `connect-lb doctor`: looks for what is wrong with etcd, with what is registered there, and with the servers. */
export const doctor: Command = defineCommand({
  name: "doctor",
  summary: "look for what is wrong with etcd, its entries and the servers, and say what to do",
  examples: [
    { line: "doctor", does: "is anything wrong, with any service?" },
    { line: "doctor simple_grpc", does: "why can't clients find or call this service?" },
    { line: "doctor simple_grpc --tls-ca ca.pem", does: "the same for servers that speak TLS" },
    { line: "doctor -o json", does: "for a script: findings, etcd's members and the servers as JSON" },
  ],
  description: [
    "It looks whether etcd answers, has a quorum, accepts the user and sees the same time; whether servers are " +
    "registered where the layout looks, or elsewhere; at entries that can't be read, are registered twice, have no lease " +
    "or a host that clients can't call; and whether each server answers HTTP/2, with or without TLS as clients would, how " +
    "fast, what its SETTINGS allow, whether it limits keepalive PINGs, and what it says of its health.",
    "It changes nothing. To each server it opens a few connections, on which it sends five PINGs and a health check.",
  ],
  args: [{ name: "SERVICE", optional: true, complete: "service" }],
  options: OPTIONS,
  exitCodes: [
    "0 nothing is wrong (notes may be printed), 1 there are findings; an etcd that can't be reached is one, too",
  ],
  async run(context) {
    const { options, sources, signal, io } = context, target = etcdTarget(context);
    const [service] = context.args;
    // Otherwise it depends on the layouts that are recognised.
    if (service !== undefined && target.options.layoutChosen) target.checkService(service);
    const progress = new Progress(io);
    try {
      const connectMs = durationMs([sources["connect-timeout"] ?? "", options["connect-timeout"]], { least: 1 });
      const examination = await examine({
        target,
        service,
        serverTls: serverTls(context),
        etcdLimits: { timeoutMs: target.options.requestTimeoutMs, signal },
        serverLimits: { timeoutMs: connectMs, signal },
        onProgress: (what) => progress.say(what),
      });
      progress.end();
      const findings = groupFindings(examination.findings);
      print(context, examination, findings);
      return hasFaults(findings) ? EXIT.failed : EXIT.ok;
    } catch (error) {
      throw target.explain(error);
    } finally {
      progress.end();
    }
  },
});

/** The address or the key that a place begins with, if it does; `etcd` comes before those of etcd. */
function nameIn(place: string): readonly string[] {
  return /^\d+ keys? of /.test(place) ? [] : /^(?:etcd )?(.*?)(?::? |$)/.exec(place)?.slice(1) ?? [];
}

function print(
  context: Context<typeof OPTIONS>,
  { members, endpoints }: Examination,
  findings: readonly GroupedFinding[],
): void {
  const output = new Output(context), { stdout } = context.io;
  if (output.format === "json") {
    return output.json({ findings, etcd: members.map(MEMBERS.json!), endpoints: endpoints.map(PROBED.json!) });
  }
  if (output.format === "name") {
    const names = new Set([
      ...endpoints.filter(({ trouble }) => trouble !== undefined).map(PROBED.name),
      ...findings.filter(({ severity }) => severity !== "note").flatMap(({ where }) => where.flatMap(nameIn)),
    ]);
    return output.list([...names], { columns: [], name: (place) => place });
  }
  output.list(members, MEMBERS);
  if (endpoints.length > 0) {
    stdout.write("\n");
    // Those that are in trouble first.
    const shown = endpoints.toSorted((a, b) => Number(a.trouble === undefined) - Number(b.trouble === undefined));
    output.list(shown.slice(0, MOST_SHOWN), PROBED);
    const more = endpoints.length - MOST_SHOWN;
    if (shown.some(({ greeting }) => greeting?.limitsPings)) {
      stdout.write(
        "PINGS limited: it closes connections that ping often, so clients' keepalive must be slower than it allows\n",
      );
    }
    if (more > 0) stdout.write(`and ${more} more: -o json shows all\n`);
  }
  stdout.write("\n");
  for (const line of findingLines(findings, output.style, stdout.columns)) stdout.write(`${line}\n`);
  stdout.write(`${summaryText(findings)}\n`);
}
