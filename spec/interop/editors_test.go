package interop

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestNeovim has Neovim, whose client is its own, edit a pipeline that policy lsp
// serves: findings, documentation, a definition in another file, completion in a
// line that does not parse, layout, and an end in order.
func TestNeovim(t *testing.T) {
	t.Parallel()
	nvim := tool(t, "nvim")
	u := newUser(t)
	u.env = []string{"POLICY=" + filepath.Join(bin, "policy"), "XDG_STATE_HOME=" + u.home}
	u.write("policy.toml", "")
	u.write("lib/util.star", "def twice(n: int) -> int:\n    \"\"\"Gives n two times.\"\"\"\n    return n * 2\n")
	u.write("deploy.star", `load("//lib/util.star", "twice")

def main(version: str):
    image = buidl("policy", tag = "acme/authz:" + version)
    return twice(len(image.digest))
`)
	u.write("edit.lua", editing)
	out, errs, err := u.try(nvim, "--headless", "-u", "NONE", "deploy.star", "-c", "luafile edit.lua", "-c", "qa!")
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	// Without a terminal, what print says goes to standard error.
	got := strings.TrimSpace(strings.ReplaceAll(errs, "\r", ""))
	want := `4:13 undefined: buidl
Gives n two times.
lib/util.star
ref repository tag
    x = {"a": 1}
ended 0`
	if got != want {
		t.Errorf("Neovim saw\n%s\nwant\n%s", got, want)
	}
}

const editing = `
vim.bo.filetype = "starlark"
local ended
local config = {
  name = "policy", cmd = { vim.env.POLICY, "lsp" }, root_dir = vim.fn.getcwd(),
  on_exit = function(code) ended = code end,
}
local client
if vim.lsp.start then
  client = vim.lsp.start(config)
else -- before 0.8
  client = vim.lsp.start_client(config)
  vim.lsp.buf_attach_client(0, client)
end
local function wait(f) if not vim.wait(20000, f, 20) then print("timed out"); vim.cmd("cquit") end end
local lines = {}
local function note(...) table.insert(lines, table.concat({ ... }, " ")) end
local function ask(method, line, col)
  vim.api.nvim_win_set_cursor(0, { line, col })
  local position = vim.lsp.util.make_position_params(0, "utf-16")
  for _, answer in pairs(vim.lsp.buf_request_sync(0, method, position, 20000)) do return answer.result end
end

wait(function() return #vim.diagnostic.get(0) > 0 end)
local d = vim.diagnostic.get(0)[1]
note(d.lnum + 1 .. ":" .. d.col + 1, vim.split(d.message, "\n")[1])
note(vim.split(ask("textDocument/hover", 5, 12).contents.value, "\n")[5])
note((ask("textDocument/definition", 5, 12)[1].uri:gsub(".*/lib/", "lib/")))
vim.api.nvim_buf_set_lines(0, 3, 5, false, { '    image = build("policy", tag = "acme/authz:" + version)', "    image.x(" })
local items = ask("textDocument/completion", 5, 10).items
note(items[1].label, items[2].label, items[3].label)
vim.api.nvim_buf_set_lines(0, 4, 5, false, { '    x={ "a":1}', "    return x" })
if vim.lsp.buf.format then vim.lsp.buf.format({ timeout_ms = 20000 }) else vim.lsp.buf.formatting_sync(nil, 20000) end
note(vim.api.nvim_buf_get_lines(0, 4, 5, false)[1])
vim.lsp.stop_client(client)
wait(function() return ended ~= nil end)
note("ended", tostring(ended))
print(table.concat(lines, "\n"))
`
