import { environments } from "../../shared/config/env.ts";
import { ofType, type PlatformTemplate, removeFakeBuilds, spell, synthesize } from "./synthesize.ts";

let template: PlatformTemplate;

beforeAll(() => {
  template = synthesize("prod");
}, 60_000);

afterAll(removeFakeBuilds);

const names = (resources: Record<string, unknown>) => Object.keys(resources).sort();

describe("the sandbox", () => {
  const definition = () => ofType(template, "AWS::ECS::TaskDefinition")["SandboxTaskDefinition"]?.Properties ?? {};
  const containers = () => definition()["ContainerDefinitions"] as Record<string, unknown>[];

  test("runs on Fargate and ARM64", () => {
    expect(definition()).toMatchObject({
      RequiresCompatibilities: ["FARGATE"],
      NetworkMode: "awsvpc",
      RuntimePlatform: { CpuArchitecture: "ARM64" },
    });
  });

  test("has no role: there are no credentials to steal from its metadata", () => {
    expect(definition()).not.toHaveProperty("TaskRoleArn");
    expect(
      names(ofType(template, "AWS::IAM::Role")).filter((name) => !name.endsWith("Role") || name.includes("Task")),
    ).toEqual(["SandboxTaskExecutionRole"]);
  });

  test("holds no secret: the boot secret comes with each launch", () => {
    for (const container of containers()) expect(container).not.toHaveProperty("Secrets");
    const variables = containers().flatMap((container) => container["Environment"] as { Name: string }[]);
    expect(variables.filter(({ Name }) => /SECRET|TOKEN|KEY|PASSWORD/.test(Name))).toEqual([]);
  });

  test.each(["supervisor", "toolbox"] as const)(
    "%s gets exactly what its process reads, less what a launch adds",
    (name) => {
      const added = name === "supervisor" ? ["BOOT_SECRET", "EPOCH", "SESSION_ID", "TENANT_ID"] : [];
      const container = containers().find((each) => each["Name"] === name);
      const variables = ((container?.["Environment"] ?? []) as { Name: string }[]).map(({ Name }) => Name);
      expect([...variables, ...added].sort()).toEqual(Object.keys(environments[name].shape).sort());
    },
  );

  test("gives people's programs a container of their own: other user, own memory, restarted, without network on one machine", () => {
    const [supervisor, toolbox] = containers();
    expect(supervisor).toMatchObject({
      Name: "supervisor",
      User: "1001",
      Essential: true,
      PortMappings: [{ ContainerPort: 8080 }],
    });
    expect(toolbox).toMatchObject({
      Name: "toolbox",
      User: "1000",
      Essential: false,
      Memory: 3328,
      RestartPolicy: { Enabled: true },
      DockerLabels: { "sandbox.network": "isolated" },
    });
    expect(toolbox).not.toHaveProperty("PortMappings");
    for (const container of containers()) {
      expect(container).toMatchObject({ StopTimeout: 120, LinuxParameters: { Capabilities: { Drop: ["ALL"] } } });
    }
  });

  test("shares only the workspace and the sockets between its containers", () => {
    const mounts = containers().map((container) =>
      (container["MountPoints"] as { ContainerPath: string }[]).map(({ ContainerPath }) => ContainerPath),
    );
    expect(mounts).toEqual([
      ["/workspace", "/run/sandbox"],
      ["/workspace", "/run/sandbox"],
    ]);
  });

  test("no address range may come in, only the preview relay on one port", () => {
    const groups = Object.values(ofType(template, "AWS::EC2::SecurityGroup"));
    for (const { Properties } of groups) expect(Properties["SecurityGroupIngress"] ?? []).toEqual([]);
    const ingress = Object.values(ofType(template, "AWS::EC2::SecurityGroupIngress")).map(
      ({ Properties }) => Properties,
    );
    expect(ingress).toHaveLength(1);
    expect(ingress[0]).toMatchObject({ IpProtocol: "tcp", FromPort: 8080, ToPort: 8080 });
    expect(ingress[0]).not.toHaveProperty("CidrIp");
    expect(ingress[0]).not.toHaveProperty("CidrIpv6");
    expect(spell(ingress[0]?.["SourceSecurityGroupId"])).toBe("{NetworkPreviewRelay.GroupId}");
    expect(spell(ingress[0]?.["GroupId"])).toBe("{NetworkSandboxes.GroupId}");
  });

  test("nothing gets a public address by accident", () => {
    for (const { Properties } of Object.values(ofType(template, "AWS::EC2::Subnet")))
      expect(Properties["MapPublicIpOnLaunch"]).toBe(false);
  });

  test("its end is heard of", () => {
    const patterns = Object.values(ofType(template, "AWS::Events::Rule")).map(
      ({ Properties }) => Properties["EventPattern"],
    );
    expect(patterns).toContainEqual(
      expect.objectContaining({ source: ["aws.ecs"], "detail-type": ["ECS Task State Change"] }),
    );
  });
});
