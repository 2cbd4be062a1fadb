import { serveClaims } from "./claimed.ts";

await serveClaims();
