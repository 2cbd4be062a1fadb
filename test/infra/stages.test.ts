import { App } from "aws-cdk-lib";
import { readStageConfig, type Stage, stages } from "../../infra/stage-config.ts";
import {
  environmentOf,
  fakeBuild,
  nameOf,
  ofType,
  type PlatformTemplate,
  removeFakeBuilds,
  spell,
  synthesize,
} from "./synthesize.ts";

const templates = new Map<Stage, PlatformTemplate>();

function of(stage: Stage): PlatformTemplate {
  const template = templates.get(stage) ?? synthesize(stage);
  templates.set(stage, template);
  return template;
}

afterAll(removeFakeBuilds);

const variable = (template: PlatformTemplate, fn: string, name: string) => spell(environmentOf(template, fn)[name]);
const configOf = (context: Record<string, string>) => readStageConfig(new App({ autoSynth: false, context }).node);

test("stages differ in values, never in shape: what runs on one machine is what production gets", () => {
  const shapeOf = (stage: Stage) =>
    Object.entries(of(stage).Resources)
      .map(([id, { Type }]) => `${nameOf(id)} ${Type}`)
      .sort();
  expect(shapeOf("local")).toEqual(shapeOf("prod"));
  expect(shapeOf("dev")).toEqual(shapeOf("prod"));
}, 60_000);

describe("stateful resources", () => {
  const stateful = ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"];
  const policies = (stage: Stage) =>
    new Set(
      Object.values(of(stage).Resources)
        .filter(({ Type }) => stateful.includes(Type))
        .map(({ DeletionPolicy, UpdateReplacePolicy }) => `${DeletionPolicy} ${UpdateReplacePolicy}`),
    );

  test("outlive the stack in production, and only there", () => {
    expect([...policies("prod")]).toEqual(["Retain Retain"]);
    expect([...policies("dev")]).toEqual(["Delete Delete"]);
    expect([...policies("local")]).toEqual(["Delete Delete"]);
  });

  test("the table of production refuses to be deleted; every table can be recovered", () => {
    const table = (stage: Stage) => ofType(of(stage), "AWS::DynamoDB::Table")["DataTable"]?.Properties;
    expect(stages.map((stage) => table(stage)?.["DeletionProtectionEnabled"])).toEqual([false, false, true]);
    for (const stage of stages) {
      expect(table(stage)).toMatchObject({ PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } });
    }
  });

  test("keep their logical ids: a renamed one would be a new, empty one", () => {
    const ids = Object.entries(of("prod").Resources)
      .filter(([, { Type }]) => stateful.slice(0, 3).includes(Type))
      .map(([id]) => id);
    expect(ids.sort()).toEqual([
      "DataTable6D1E6CB5",
      "GitSecret4C5768C0",
      "ModelSecret3316B79D",
      "ObjectsBucket1A76838C",
      "PreviewSecretB10C722C",
      "SandboxSecretF0080BC1",
      "UserSecret0463E4F5",
      "WebhookSecretF21E29CC",
    ]);
  });
});

describe("the local stage", () => {
  test("knows the built-in git host, which takes the platform's pushes; no other stage has one that may be private", () => {
    const config = configOf({ stage: "local", gitHostOrigin: "http://127.0.0.1:9999" });
    expect(config.gitHosts).toContainEqual({
      name: "local",
      origin: "http://127.0.0.1:9999",
      allowPrivate: true,
      push: "signed",
      defaultOwner: "demo",
      sharedOwners: ["demo"],
    });
    for (const stage of ["dev", "prod"]) {
      for (const host of configOf({ stage }).gitHosts)
        expect(host).toMatchObject({ allowPrivate: false, push: "none" });
    }
  });

  test("is answered by the rehearsal model unless there is a key, or a model is named", () => {
    const key = process.env["ANTHROPIC_API_KEY"];
    try {
      delete process.env["ANTHROPIC_API_KEY"];
      expect(configOf({ stage: "local" }).turnModel).toBe("rehearsal");
      expect(configOf({ stage: "prod" }).turnModel).toBe("claude-sonnet-5-5");
      process.env["ANTHROPIC_API_KEY"] = "any";
      expect(configOf({ stage: "local" }).turnModel).toBe("claude-sonnet-5-5");
      expect(configOf({ stage: "local", model: "claude-opus-5-5" }).turnModel).toBe("claude-opus-5-5");
    } finally {
      if (key === undefined) delete process.env["ANTHROPIC_API_KEY"];
      else process.env["ANTHROPIC_API_KEY"] = key;
    }
  });

  test("asks no other model while the turn's model refuses, unless one is named", () => {
    expect(variable(of("prod"), "Turn", "TURN_FALLBACK_MODEL")).toBe("");
    expect(configOf({ stage: "prod", fallbackModel: "claude-opus-5-5" }).fallbackModel).toBe("claude-opus-5-5");
  });

  test("has a sandbox that waits; a deployed one has none, and nobody that looks after it, until somebody sets it", () => {
    for (const name of ["Turn", "Sweeper"]) {
      expect(variable(of("local"), name, "WARM_SANDBOXES")).toBe("1");
      for (const stage of ["dev", "prod"] as const) expect(variable(of(stage), name, "WARM_SANDBOXES")).toBe("0");
    }
    // What would keep a task running by itself.
    expect(ofType(of("prod"), "AWS::ECS::Service")).toEqual({});
  });

  test("has its previews under the preview API's own address", () => {
    expect(variable(of("local"), "Http", "PREVIEW_ORIGIN")).toBe(
      "https://{PreviewApi}.execute-api.{AWS::Region}.{AWS::URLSuffix}",
    );
    expect(variable(of("prod"), "Http", "PREVIEW_ORIGIN")).toBe("");
  });
});

describe("context", () => {
  test("a preview domain gets a wildcard name in front of the preview API", () => {
    const certificateArn = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000";
    const template = synthesize("prod", {
      previewDomain: "preview.example.net",
      previewCertificateArn: certificateArn,
    });
    const [name] = Object.values(ofType(template, "AWS::ApiGatewayV2::DomainName"));
    const [mapping] = Object.values(ofType(template, "AWS::ApiGatewayV2::ApiMapping"));
    expect(name?.Properties["DomainName"]).toBe("*.preview.example.net");
    expect(JSON.stringify(name?.Properties["DomainNameConfigurations"])).toContain(certificateArn);
    expect(spell(mapping?.Properties["ApiId"])).toBe("{PreviewApi}");
    expect(variable(template, "PreviewFront", "PREVIEW_ORIGIN")).toBe("https://preview.example.net");
  }, 60_000);

  test("origins reach CORS and the functions that check them", () => {
    const template = synthesize("dev", { allowedOrigins: "https://a.example,https://b.example" });
    const cors = ofType(template, "AWS::ApiGatewayV2::Api")["PlatformApi"]?.Properties["CorsConfiguration"];
    expect(cors).toMatchObject({ AllowOrigins: ["https://a.example", "https://b.example"] });
    expect(cors).not.toMatchObject({ AllowCredentials: true });
    expect(variable(template, "Connect", "ALLOWED_ORIGINS")).toBe('["https://a.example","https://b.example"]');
    // No method answers preflights: what a preview allows is its app's to say.
    const methods = Object.values(ofType(template, "AWS::ApiGateway::Method"));
    expect(methods.map(({ Properties }) => Properties["HttpMethod"])).toEqual(["ANY", "ANY"]);
  }, 60_000);

  test("an alarm has somewhere to go when a topic is given", () => {
    const topic = "arn:aws:sns:us-east-1:123456789012:operators";
    const actions = (template: PlatformTemplate) =>
      Object.values(ofType(template, "AWS::CloudWatch::Alarm"))[0]?.Properties["AlarmActions"];
    expect(actions(synthesize("prod", { alarmTopicArn: topic }))).toEqual([topic]);
    expect(actions(of("prod"))).toBeUndefined();
  }, 60_000);

  test("says who may register, and which identity providers sign people in", () => {
    const acme = { name: "acme", issuer: "https://login.acme.example/", audience: "client-1" };
    const oidc = [{ ...acme, claims: { email: "mail" } }];
    const template = synthesize("prod", { registration: "invite_only", oidc: JSON.stringify(oidc) });
    expect(variable(template, "Http", "REGISTRATION")).toBe("invite_only");
    const passed: unknown = JSON.parse(variable(template, "Http", "OIDC_PROVIDERS"));
    expect(passed).toEqual([{ ...acme, claims: { email: "mail", email_verified: "email_verified" } }]);
    expect(configOf({ stage: "prod" })).toMatchObject({ registration: "open", oidc: [] });
    expect(() => configOf({ registration: "closed" })).toThrow("registration is one of open, invite_only");
    const insecure = JSON.stringify([{ ...acme, issuer: "http://login.acme.example" }]);
    expect(() => configOf({ oidc: insecure })).toThrow("oidc is not a list of providers: 0.issuer: must be https");
  }, 60_000);

  test("mistakes are named", () => {
    expect(() => configOf({ stage: "staging" })).toThrow('unknown stage "staging": one of local, dev, prod');
    expect(() => configOf({ previewDomain: "preview.example.net" })).toThrow(
      "previewDomain and previewCertificateArn go together",
    );
  });
});

describe("before the bundles are built", () => {
  test("the missing function is named with the command that makes it", () => {
    expect(() => synthesize("dev", {}, fakeBuild([]))).toThrow(
      /functions\/\w+\/index\.mjs is missing: run "npm run build" first/,
    );
  });

  test("so is the missing image", () => {
    expect(() => synthesize("dev", {}, "/nonexistent")).toThrow(
      /sandbox\/Dockerfile is missing: run "npm run build" first/,
    );
  });
});
