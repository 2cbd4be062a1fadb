import { Ajv } from "ajv";
import { asyncApiDocument } from "../../functions/documents/asyncapi.ts";
import { checking, once, validators } from "./json-schema.ts";

const facts = { version: "0.1.0", websocketUrl: "wss://sockets.example.test/test" };

/** `/asyncapi.json` as it is served. */
export const asyncApi = once(() => asyncApiDocument(facts));
export const socketSchema = validators(asyncApi, () => new Ajv(checking));
