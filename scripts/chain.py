"""Host, agent and engine as three processes, for a demonstration: in three network namespaces where this user may make them.

    with Chain(folder, pool) as chain:
        subprocess.run([*chain.host, ross, "ls", f"{chain.url}/demo"], env={**os.environ, **chain.environment})

The host is joined to the agent and the agent to the engine, by wires of their own, and nothing is forwarded: the host has no way to
the engine. Each has a certificate of an authority made for the occasion. Without the right to make namespaces all of it is on
loopback, and `place` says why.
"""

import contextlib
import pathlib
import re
import subprocess
import time

import namespaces
import steps

APPS = steps.ROOT / "build" / "release" / "src" / "apps"
ENGINE, AGENT = APPS / "ross-engine" / "ross-engine", APPS / "ross-agent" / "ross-agent"
HOST_ADDRESS, AGENT_ADDRESS = "10.77.1.1", "10.77.1.2"
AGENT_UPSTREAM_ADDRESS, ENGINE_ADDRESS = "10.77.2.1", "10.77.2.2"
LOOPBACK = "127.0.0.1"
START_SECONDS_MAX, STOP_SECONDS_MAX = 60, 60


class Trouble(Exception):
    """The chain could not be made; the text says why."""


class Chain(contextlib.ExitStack):
    """folder: for configurations, certificates and logs. pool: the directory of the pool that the engine serves.

    host         what a command on the host begins with
    environment  what it has beside ours
    url          of the pool, as the host names it
    place        a sentence: where the three are
    """

    def __init__(self, folder, pool):
        super().__init__()
        self.folder, self.pool = pathlib.Path(folder), pathlib.Path(pool)
        self.host, self.environment = [], {}
        self.spaces = {"host": [], "agent": [], "engine": []}

    def __enter__(self):
        super().__enter__()
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        reason = namespaces.why_not()
        if reason is None:
            self.make_namespaces()
            self.make_certificates()
            self.environment = self.certificate("host")
            self.place = "host, agent and engine in three network namespaces; the host has no route to the engine"
            engine_listens, agent_listens, fabric = f"{ENGINE_ADDRESS}:7470", f"{AGENT_ADDRESS}:7470", "tcp"
        else:
            self.place = f"host, agent and engine on loopback: {reason}"
            engine_listens = agent_listens = f"{LOOPBACK}:0"
            fabric = None
        engine = self.serve("engine", ENGINE, self.settings(engine_listens, "engine", fabric) + f'[[pool]]\npath = "{self.pool}"\n')
        self.url = self.serve("agent", AGENT, self.settings(agent_listens, "agent", fabric) + self.upstream(engine))

    def make_namespaces(self):
        host, agent, engine = (self.namespace(name) for name in self.spaces)
        namespaces.join(host, "agent", agent, "host")
        namespaces.join(agent, "engine", engine, "agent")
        for space, device, address in ((host, "agent", HOST_ADDRESS), (agent, "host", AGENT_ADDRESS),
                                       (agent, "engine", AGENT_UPSTREAM_ADDRESS), (engine, "agent", ENGINE_ADDRESS)):
            space.address(device, address)
        if host.sh("ip", "route", "get", ENGINE_ADDRESS, check=False).returncode == 0:
            raise Trouble("the host's namespace has a route to the engine, which it should not have")
        self.host = host.enter

    def namespace(self, name):
        space = namespaces.Namespace()
        self.callback(space.close)
        self.spaces[name] = space.enter
        return space

    def openssl(self, *words):
        done = subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Trouble(f"openssl {words[0]}: {done.stderr.strip()}")

    def make_certificates(self):
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=ross-demonstration",
                     "-keyout", "authority.key", "-out", "authority.pem")
        for name, addresses in (("host", [HOST_ADDRESS]), ("agent", [AGENT_ADDRESS, AGENT_UPSTREAM_ADDRESS]),
                                ("engine", [ENGINE_ADDRESS])):
            (self.folder / f"{name}.names").write_text("subjectAltName=" + ",".join(f"IP:{address}" for address in addresses) + "\n")
            self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial",
                         "-days", "1", "-extfile", f"{name}.names", "-out", f"{name}.pem")

    def certificate(self, name):
        return {"ROSS_TLS_AUTHORITY": f"{self.folder}/authority.pem", "ROSS_TLS_CERTIFICATE": f"{self.folder}/{name}.pem",
                "ROSS_TLS_KEY": f"{self.folder}/{name}.key"}

    def settings(self, listen, name, fabric):
        """What the configurations of both daemons begin with."""
        address = listen.rsplit(":", 1)[0]
        text = f'[control]\nlisten = "{listen}"\n[data]\nlisten = "{address}"\nsockets = "{self.folder}"\n'
        if name == "engine":
            text = text.replace(f'sockets = "{self.folder}"\n', "")  # beside its pool
        if fabric is not None:
            text = text.replace("[data]\n", f'[data]\nfabrics = ["{fabric}"]\n')
            text += f'[tls]\ncertificate = "{name}.pem"\nkey = "{name}.key"\nclient_authority = "authority.pem"\n'
        return text

    def upstream(self, engine_url):
        text = f'[[export]]\nurl = "{engine_url}"\n'
        if self.environment:
            text = '[engine]\nauthority = "authority.pem"\ncertificate = "agent.pem"\nkey = "agent.key"\n' + text
        return text

    def serve(self, name, program, configuration):
        """Starts a daemon, which ends before what it stands on; the URL that it serves."""
        config, log_path = self.folder / f"{name}.toml", self.folder / f"{name}.log"
        config.write_text(configuration)
        with open(log_path, "wb") as log:
            process = subprocess.Popen([*self.spaces[name], program, "--config", config], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, cwd=self.folder, start_new_session=True)
        self.callback(stop, process)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not (found := re.search(r"serving (ross://\S+) by", log_path.read_text(errors="replace"))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Trouble(f"{program.name} does not serve; the end of {log_path}:\n{steps.tail(log_path, 15)}")
            time.sleep(0.05)
        return found[1]


def stop(process):
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
