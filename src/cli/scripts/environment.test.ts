import { expect, it } from "vitest";
import { credentialsIn } from "./environment.ts";

it("credentialsIn names what looks like a credential, and what leads to an agent", () => {
  const credentials = {
    ...{ NPM_TOKEN: "a", GITHUB_TOKEN: "a", AWS_REGION: "a", DB_PASSWORD: "a", MY_API_KEY: "a", SSH_AUTH_SOCK: "a" },
    ...{ "npm_config_//registry.test/:_authToken": "a", NODE_AUTH_TOKEN: "a", HTTPS_PROXY: "http://me:secret@proxy:1" },
  };
  const others = {
    ...{ PATH: "/bin", HOME: "/home/me", npm_package_name: "token", npm_config_registry: "https://registry.test/" },
    ...{ AUTHOR: "me", KEYBOARD: "de", GIT_AUTHOR_NAME: "me", MONKEY: "m", HTTP_PROXY: "http://proxy:1/a:b@c" },
  };
  expect(credentialsIn({ ...credentials, ...others }, [])).toEqual(Object.keys(credentials));
  expect(credentialsIn(credentials, ["NPM_TOKEN"])).not.toContain("NPM_TOKEN");
});
