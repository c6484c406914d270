export { createGrpcServer, shutdown } from "../../../../src/server.ts";
