import { platformTable, startTablesServer } from "../../infra/local/tables/server.ts";

// The tables in a process of their own, which a test may kill. Says its endpoint on stdout.
const [path] = process.argv.slice(2);
void startTablesServer({ tables: [platformTable("sandbox")], path }).then((server) => {
  process.stdout.write(`${server.endpoint}\n`);
});
