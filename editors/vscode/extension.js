// Starts `knhk lsp` and lets it speak with the editor.

"use strict";

const { commands, window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

function command() {
  const folder = workspace.workspaceFolders?.[0]?.uri.fsPath ?? "";
  const words = workspace.getConfiguration("knhk").get("server.command");
  return words.map((word) => word.replaceAll("${workspaceFolder}", folder));
}

async function start() {
  const [program, ...args] = command();
  client = new LanguageClient(
    "knhk",
    "KNHK",
    { command: program, args },
    {
      documentSelector: [
        { scheme: "file", language: "knhk" },
        { scheme: "untitled", language: "knhk" },
      ],
      synchronize: { fileEvents: workspace.createFileSystemWatcher("**/*.{knhk,py}") },
    },
  );
  try {
    await client.start();
  } catch (error) {
    window.showErrorMessage(
      `\`${program}\` could not be started: ${error.message}. ` +
        "Install it with: pip install 'knhk[lsp]', or set knhk.server.command.",
    );
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running?.needsStop()) {
    await running.stop();
  }
}

exports.activate = async (context) => {
  context.subscriptions.push(
    commands.registerCommand("knhk.restart", async () => {
      await stop();
      await start();
    }),
  );
  await start();
};

exports.deactivate = stop;
