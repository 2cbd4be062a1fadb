import { ArnFormat, Aws, RemovalPolicy, Stack, Validations } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Secret, type SecretStringGenerator } from "aws-cdk-lib/aws-secretsmanager";
import { Construct } from "constructs";
import type { Use } from "./node-function.ts";

export interface PlatformSecretsProps {
  readonly retain: boolean;
}

const generated: SecretStringGenerator = { passwordLength: 64, excludePunctuation: true };

/** Functions get a secret's id in their environment and the right to read exactly that secret, never its value. */
export class PlatformSecrets extends Construct {
  /** Keys are derived from these four by HKDF. */
  readonly user: Secret;
  readonly sandbox: Secret;
  readonly preview: Secret;
  readonly git: Secret;
  /** `{"api_key": "..."}`; the key is empty until the operator sets it. */
  readonly model: Secret;

  constructor(scope: Construct, id: string, props: PlatformSecretsProps) {
    super(scope, id);
    const removalPolicy = props.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;
    const make = (name: string, description: string, generateSecretString: SecretStringGenerator): Secret =>
      new Secret(scope, name, { description, generateSecretString, removalPolicy });

    this.user = make("UserSecret", "Signs access tokens, tickets and cursors", generated);
    this.sandbox = make("SandboxSecret", "Signs boot secrets and sandbox tokens", generated);
    this.preview = make("PreviewSecret", "Signs preview capabilities", generated);
    this.git = make("GitSecret", "Signs push tokens of git hosts that trust the platform", generated);
    this.model = make("ModelSecret", 'Set to {"api_key": "..."} after the first deployment', {
      ...generated,
      secretStringTemplate: JSON.stringify({ api_key: "" }),
      generateStringKey: "unused",
    });
    for (const secret of [this.user, this.sandbox, this.preview, this.git, this.model]) {
      Validations.of(secret).acknowledge({
        id: "AwsSolutions-SMG4",
        reason:
          "KeyRotation renews the platform's own secrets by a schedule, with an overlap; the operator sets the others.",
      });
    }
  }

  forReadingUser = (): Use<"USER_SECRET_ID"> => reading("USER_SECRET_ID", this.user);
  forReadingSandbox = (): Use<"SANDBOX_SECRET_ID"> => reading("SANDBOX_SECRET_ID", this.sandbox);
  forReadingPreview = (): Use<"PREVIEW_SECRET_ID"> => reading("PREVIEW_SECRET_ID", this.preview);
  forReadingGit = (): Use<"GIT_SECRET_ID"> => reading("GIT_SECRET_ID", this.git);
  /** The four that are rotated, and the right to put new versions of them. */
  forRotating = (): Use<"USER_SECRET_ID" | "SANDBOX_SECRET_ID" | "PREVIEW_SECRET_ID" | "GIT_SECRET_ID"> => ({
    variables: [
      ...this.forReadingUser().variables,
      ...this.forReadingSandbox().variables,
      ...this.forReadingPreview().variables,
      ...this.forReadingGit().variables,
    ],
    statements: [
      new PolicyStatement({
        actions: ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
        resources: [this.user, this.sandbox, this.preview, this.git].map((secret) => secret.secretArn),
      }),
    ],
  });
  /** The platform's own, and the tenants' git credentials, one secret for each tenant. */
  forUsingGit = (): Use<"GIT_SECRET_ID" | "GIT_CREDENTIALS_PREFIX"> => {
    const [own, tenants] = [this.forReadingGit(), this.tenants("secretsmanager:GetSecretValue")];
    return {
      variables: [...own.variables, ...tenants.variables],
      statements: [...own.statements, ...tenants.statements],
      wildcardReason: tenants.wildcardReason,
    };
  };
  forKeepingTenants = (): Use<"GIT_CREDENTIALS_PREFIX"> =>
    this.tenants("secretsmanager:GetSecretValue", "secretsmanager:CreateSecret", "secretsmanager:PutSecretValue");
  forReadingModel = (): Use<"MODEL_SECRET_ID"> => reading("MODEL_SECRET_ID", this.model);

  private tenants(...actions: string[]): Use<"GIT_CREDENTIALS_PREFIX"> {
    const prefix = `${Aws.STACK_NAME}/git-credentials/`;
    const secrets = {
      service: "secretsmanager",
      resource: "secret",
      resourceName: `${prefix}*`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    };
    return {
      variables: [["GIT_CREDENTIALS_PREFIX", prefix]],
      statements: [new PolicyStatement({ actions, resources: [Stack.of(this).formatArn(secrets)] })],
      wildcardReason:
        "One secret for each tenant, made when it gives its first credential: IAM cannot know their names.",
    };
  }
}

function reading<Name extends string>(variable: Name, secret: Secret): Use<Name> {
  return {
    variables: [[variable, secret.secretArn]],
    statements: [new PolicyStatement({ actions: ["secretsmanager:GetSecretValue"], resources: [secret.secretArn] })],
  };
}
