// Starts `knhk lsp` and lets it speak with the editor.

"use strict";

const { commands, window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function start() {
  const settings = workspace.getConfiguration("knhk");
  const folder = workspace.workspaceFolders?.[0]?.uri.fsPath ?? "";
  const words = settings.get("server.command");
  const [program, ...args] = words.map((word) => word.replaceAll("${workspaceFolder}", folder));
  client = new LanguageClient(
    "knhk",
    "KNHK",
    { command: program, args },
    {
      documentSelector: [
        { scheme: "file", language: "knhk" },
        { scheme: "untitled", language: "knhk" },
      ],
      initializationOptions: { explore: settings.get("explore") },
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
