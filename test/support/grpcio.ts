// Python with the package grpcio, in a folder of its own that git ignores.
import { pythonWith, withoutPackage } from "./python.ts";

const VERSION = "1.82.3";

/** Why the tests go without grpcio, if they have to: there is no Python, or PyPI can't be reached. */
export function withoutGrpcio(): string | false {
  return withoutPackage("grpcio", VERSION);
}

/** The path of a Python that has grpcio; installs it from PyPI, in seconds, if it isn't there yet. */
export function pythonWithGrpcio(): string {
  return pythonWith("grpcio", VERSION);
}
