import { betaAgentToolset20260401 } from "@anthropic-ai/sdk/tools/agent-toolset/node";
import { agentTools } from "../../../shared/agent/tools.ts";
import { systemPrompt } from "../../../shared/agent/system-prompt.ts";

it("declares exactly the tools of the SDK's toolset", () => {
  const sdk = betaAgentToolset20260401({ workdir: "/nowhere" }).map((tool) => {
    const { name, description, input_schema } = tool as { name: string; description: string; input_schema: unknown };
    return { name, description, input_schema };
  });
  // As text: the order of keys is part of the cached prefix.
  expect(JSON.stringify(agentTools)).toBe(JSON.stringify(sdk));
});

it("has a system prompt that nothing varies", () => {
  expect(systemPrompt).not.toMatch(/\$\{|undefined|\b20\d\d\b/);
  expect(systemPrompt.length).toBeLessThan(3000);
});
