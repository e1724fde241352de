/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/options.h"
#include "daemon/process.h"
#include "iscsi/control.h"
#include "mgmt/changer_ops.h"
#include "mgmt/config.h"
#include "mgmt/mgmt.h"
#include "reactor/reactor.h"
#include "reactor/workers.h"
#include "scsi/opcode.h"
#include "scsi/target.h"
#include "store/loader.h"
#include "store/state.h"
#include "store/store.h"
#include "util/cleanup.h"
#include "util/log.h"

#define DEFAULT_STATE_DIR "/var/lib/tgtd"
#define REACTOR_BUFFER_BYTES (192u << 20)

/* How long the running request and then running commands have to end, and everything together. */
#define REQUEST_ENDS_MS 2000
#define SESSIONS_END_MS 10000
#define ALL_END_MS 20000
#define WORKERS_END_MS 1000
#define LOOPS_END_MS 2000

static struct {
	bool stopping;
	struct fd_watch signals;
	struct timer request, deadline;
	bool requests_ended;
	unsigned int targets_left;
	bool has_config, config_loaded;
} state = {.signals = {.fd = -1}};

/* ---- the end ---- */

static void quit(void)
{
	reactor_timer_cancel(&state.deadline);
	reactor_quit(reactor_self());
}

static void out_of_patience(struct timer *timer)
{
	(void)timer;
	log_warning("something did not end within %d s and is left behind", ALL_END_MS / 1000);
	quit();
}

static void target_deleted(void *arg)
{
	(void)arg;
	if (--state.targets_left == 0)
		quit();
}

/* No session is left: now the stores may be flushed and closed. */
static void sessions_ended(void *arg)
{
	(void)arg;
	state.targets_left = 1;
	list_for_each_safe (t, targets(), struct target, link) {
		struct iscsi_target *target = t->transport;

		if (!target || target->deleting)
			continue;
		state.targets_left++;
		iscsi_target_delete(target, target_deleted, NULL);
	}
	target_deleted(NULL);
}

static void requests_ended(void)
{
	if (state.requests_ended)
		return;
	state.requests_ended = true;
	reactor_timer_cancel(&state.request);
	iscsi_shutdown(SESSIONS_END_MS, sessions_ended, NULL);
}

static void request_is_slow(struct timer *timer)
{
	(void)timer;
	log_warning("a management request has not ended");
	requests_ended();
}

static void stop(void)
{
	if (state.stopping)
		return;
	state.stopping = true;
	notify_manager("STOPPING=1");
	state.request.fn = request_is_slow;
	reactor_timer_arm(reactor_self(), &state.request, REQUEST_ENDS_MS);
	state.deadline.fn = out_of_patience;
	reactor_timer_arm(reactor_self(), &state.deadline, ALL_END_MS);
	mgmt_stop(requests_ended);
}

/* ---- signals ---- */

static void hang_up(void)
{
	if (state.stopping)
		return;
	if (!state.has_config) {
		log_info("SIGHUP: there is nothing to read again");
		return;
	}
	log_info("SIGHUP: reading the configuration again");
	mgmt_config_reload(NULL);
}

static void signal_arrived(struct fd_watch *watch, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		hang_up();
		return;
	}
	log_info("%s: ending", strsignal((int)info.ssi_signo));
	stop();
}

/* Before any thread: all inherit the mask. */
static int block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a write beyond RLIMIT_FSIZE fails with EFBIG instead */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	state.signals.fn = signal_arrived;
	state.signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return state.signals.fd < 0 ? -errno : 0;
}

/* ---- the start; each returns 0, or -errno after a log line ---- */

static int load_stores(const struct daemon_options *o)
{
	int loaded =
	    store_load_directory(o->store_dir ? o->store_dir : TGT_BSDIR, store_host_table());

	if (loaded > 0 || (loaded < 0 && o->store_dir))
		return loaded < 0 ? loaded : 0;
	log_warning("no backing store is loaded: there can be targets, but no logical units");
	return 0;
}

static int use_default_store(const struct daemon_options *o)
{
	char error[STORE_DEFAULT_ERROR_SIZE];
	int rc = o->default_store ? store_set_default(o->default_store, error, sizeof(error)) : 0;

	if (rc)
		log_err("default store \"%s\": %s", o->default_store, error);
	return rc;
}

static int use_state_directory(const struct daemon_options *o)
{
	const char *dir = o->state_dir ? o->state_dir : DEFAULT_STATE_DIR;
	int rc = state_set_directory(dir);

	if (!rc)
		return 0;
	if (o->state_dir) {
		log_err("state directory %s: %s", dir, strerror(-rc));
		return rc;
	}
	log_warning("state directory %s: %s; nothing will survive a restart", dir, strerror(-rc));
	return 0;
}

static unsigned int usable_cpus(void)
{
	cpu_set_t set;
	int count;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	count = CPU_COUNT(&set);
	return count < 1 ? 1 : count > REACTOR_MAX ? REACTOR_MAX : (unsigned int)count;
}

static int start_threads(const struct daemon_options *o)
{
	int rc;

	reactors_poll(o->poll_us);
	rc = reactors_start(o->reactors ? o->reactors : usable_cpus(), REACTOR_BUFFER_BYTES);

	if (!rc)
		rc = workers_start(o->io_threads);
	if (!rc)
		rc = reactor_watch(reactor_self(), &state.signals, EPOLLIN);
	if (rc)
		log_err("the threads can't be started: %s", strerror(-rc));
	return rc;
}

static int add_portal(const char *text, uint16_t tag)
{
	char error[256] = "";
	int rc = iscsi_portal_add(text, tag, error, sizeof(error));

	if (rc)
		log_err("portal %s: %s", text, *error ? error : strerror(-rc));
	return rc;
}

static int add_portals(const struct daemon_options *o)
{
	int v4, v6, rc = 0;

	for (unsigned int i = 0; i < o->nr_portals && !rc; i++)
		rc = add_portal(o->portals[i], o->tags[i]);
	if (o->nr_portals)
		return rc;
	v4 = add_portal("0.0.0.0:3260", PORTAL_GROUP_DEFAULT);
	v6 = add_portal("[::]:3260", PORTAL_GROUP_DEFAULT); /* a host may have but one of the two */
	return v4 && v6 ? v4 : 0;
}

static int start_iscsi(const struct daemon_options *o)
{
	int rc;

	opcode_init();
	mgmt_changer_init();
	rc = iscsi_init();
	if (rc) {
		log_err("iSCSI can't be started: %s", strerror(-rc));
		return rc;
	}
	iscsi_set_nop_defaults(o->nop_interval, o->nop_count);
	return 0;
}

static void config_loaded(bool ok)
{
	state.config_loaded = ok;
	if (!state.stopping)
		reactor_quit(reactor_self());
}

static void begin_config(struct message *message)
{
	(void)message;
	mgmt_config_reload(config_loaded);
}

/* Runs the loop for as long as it takes: nobody can log in before, for there is no portal yet. */
static int load_config(const struct daemon_options *o)
{
	static struct message begin;

	mgmt_config_use(o->config, o->control_port);
	if (!o->config)
		return 0;
	state.has_config = true;
	begin.fn = begin_config; /* from within the loop: it sleeps until something happens */
	reactor_send(reactor_self(), &begin);
	reactor_run(reactor_self());
	return state.config_loaded && !state.stopping ? 0 : -EINVAL;
}

static int claim_socket(const struct daemon_options *o)
{
	CLEANUP_FREE char *path = mgmt_socket_path(o->control_port);

	if (path)
		return mgmt_open(path);
	log_err("out of memory");
	return -ENOMEM;
}

static int start(const struct daemon_options *o)
{
	int rc = block_signals();

	raise_file_limit();
	if (!rc)
		rc = claim_socket(o);
	if (!rc)
		rc = load_stores(o);
	if (!rc)
		rc = use_default_store(o);
	if (!rc)
		rc = use_state_directory(o);
	if (!rc && o->pid_file)
		rc = pid_file_write(o->pid_file);
	if (!rc)
		rc = start_threads(o);
	if (!rc)
		rc = start_iscsi(o);
	if (!rc)
		rc = load_config(o);
	if (!rc)
		rc = add_portals(o);
	return rc ? rc : mgmt_serve(stop);
}

/* What is left when the loop has ended, or never began. */
static void tear_down(void)
{
	unsigned int hanging = 0;

	mgmt_close();
	pid_file_remove();
	if (reactors_count()) {
		hanging = workers_stop(WORKERS_END_MS);
		hanging += reactors_stop(LOOPS_END_MS);
	}
	if (state.signals.fd >= 0)
		close(state.signals.fd);
	if (!hanging) {
		store_unload_all();
		return;
	}
	log_warning("%u threads hang in a backing store and are left behind", hanging);
	fflush(NULL);
	_exit(state.stopping ? 0 : 1);
}

/* As it is seen from the folder that the daemon is started in, which it may leave.  False: its name
 * is too long, or there is no such folder any more. */
static bool find_config(struct daemon_options *o)
{
	static char path[PATH_MAX];
	size_t len;

	if (!o->config || *o->config == '/')
		return true;
	if (!getcwd(path, sizeof(path)))
		return false;
	len = strlen(path);
	if (snprintf(path + len, sizeof(path) - len, "/%s", o->config) >= (int)(sizeof(path) - len))
		return false;
	o->config = path;
	return true;
}

int tgtd_main(int argc, char **argv)
{
	struct daemon_options options;
	int status = options_parse(argc, argv, &options);

	if (status >= 0)
		return status;
	log_open(options.syslog, options.debug);
	if (!find_config(&options)) {
		log_err("configuration %s: the file can't be found", options.config);
		return 1;
	}
	if (!options.foreground && background_enter())
		return 1;
	if (start(&options)) {
		tear_down();
		return state.stopping ? 0 : 1;
	}
	log_info("ready (version %s, %u event loops)", TGT_VERSION, reactors_count());
	background_ready();
	notify_manager("READY=1");
	reactor_run(reactor_self());
	tear_down();
	return 0;
}
