/* SPDX-License-Identifier: MIT */
/* The worker pool: every work comes back once, as done or as dropped, whatever happens to it. */
#include "config.h"

#include "loop/worker.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"

#include "lib/test.h"

struct job {
    struct work work; /* first */
    int in, out;
    sem_t *started, *go;
};

struct fixture {
    struct loop *loop;
    struct worker *pool;
    struct loop_timer *patience; /* a test that hangs fails instead */
};

static pthread_t loop_thread;
static int n_done, n_dropped;
static int done_in[16];

static void patience_over(void *ctx)
{
    (void)ctx;
    fail_msg("work did not come back");
}

static struct fixture *open_fixture(size_t threads)
{
    struct fixture *f = calloc(1, sizeof(*f));

    n_done = n_dropped = 0;
    loop_thread = pthread_self();
    f->loop = loop_create(clock_system(), NULL);
    f->pool = worker_create(f->loop, threads, NULL);
    f->patience = loop_timer_create(f->loop, patience_over, NULL);
    loop_timer_set(f->patience, 20000);
    assert_non_null(f->pool);
    return f;
}

static int setup_one(void **state)
{
    *state = open_fixture(1);
    return 0;
}

static int setup_four(void **state)
{
    *state = open_fixture(4);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    worker_destroy(&f->pool);
    worker_destroy(&f->pool);
    loop_timer_destroy(&f->patience);
    loop_destroy(&f->loop);
    free(f);
    return 0;
}

static void run_square(struct work *w)
{
    struct job *j = (struct job *)w;

    assert_false(pthread_equal(pthread_self(), loop_thread));
    j->out = j->in * j->in;
}

/* Says that it runs, and goes on when it is told to. */
static void run_gated(struct work *w)
{
    struct job *j = (struct job *)w;

    sem_post(j->started);
    sem_wait(j->go);
    j->out = 1;
}

static void done(struct work *w)
{
    struct job *j = (struct job *)w;

    assert_true(pthread_equal(pthread_self(), loop_thread));
    if (w->run == run_square)
        assert_int_equal(j->out, j->in * j->in);
    if (n_done < (int)N_ELEMENTS(done_in))
        done_in[n_done] = j->in;
    n_done++;
    free(j);
}

static void drop(struct work *w)
{
    assert_true(pthread_equal(pthread_self(), loop_thread));
    n_dropped++;
    free(w);
}

static struct job *job_new(int in, void (*run)(struct work *w))
{
    struct job *j = calloc(1, sizeof(*j));

    j->work.run = run;
    j->work.done = done;
    j->work.drop = drop;
    j->in = in;
    return j;
}

static void turn_until_empty(struct fixture *f)
{
    while (worker_queued(f->pool) > 0)
        loop_turn(f->loop, true);
}

static void ten_thousand_jobs_all_come_back(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0;

    for (int i = 0; i < 10000; i++) {
        uint64_t id = worker_submit(f->pool, &job_new(i, run_square)->work);

        assert_true(id > last);
        last = id;
    }
    assert_int_equal(worker_queued(f->pool), 10000);
    turn_until_empty(f);
    assert_int_equal(n_done, 10000);
    assert_int_equal(n_dropped, 0);
}

static void one_thread_finishes_in_the_order_of_submission(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 16; i++)
        worker_submit(f->pool, &job_new(i, run_square)->work);
    turn_until_empty(f);
    for (int i = 0; i < 16; i++)
        assert_int_equal(done_in[i], i);
}

static void work_comes_back_in_a_turn_only(void **state)
{
    struct fixture *f = *state;

    worker_submit(f->pool, &job_new(3, run_square)->work);
    usleep(20000);
    assert_int_equal(n_done, 0);
    loop_turn(f->loop, true);
    assert_int_equal(n_done, 1);
}

static void cancelled_work_is_dropped_before_while_and_after_it_runs(void **state)
{
    struct fixture *f = *state;
    sem_t started, go;
    struct job *j = job_new(0, run_gated);
    uint64_t running, queued;

    sem_init(&started, 0, 0);
    sem_init(&go, 0, 0);
    j->started = &started;
    j->go = &go;
    running = worker_submit(f->pool, &j->work);
    queued = worker_submit(f->pool, &job_new(1, run_square)->work);
    sem_wait(&started);
    worker_cancel(f->pool, queued);  /* before: the only thread is busy */
    worker_cancel(f->pool, running); /* while */
    worker_cancel(f->pool, running);
    assert_int_equal(n_dropped, 0); /* never in the call itself */
    sem_post(&go);
    turn_until_empty(f);
    assert_int_equal(n_dropped, 2);
    assert_int_equal(n_done, 0);

    queued = worker_submit(f->pool, &job_new(2, run_square)->work);
    usleep(20000); /* after: it has finished, and the loop has not looked */
    worker_cancel(f->pool, queued);
    turn_until_empty(f);
    assert_int_equal(n_dropped, 3);

    queued = worker_submit(f->pool, &job_new(3, run_square)->work);
    turn_until_empty(f);
    worker_cancel(f->pool, queued); /* and long after: nothing */
    worker_cancel(f->pool, 0);
    worker_cancel(f->pool, 999999);
    assert_int_equal(n_done, 1);
    sem_destroy(&started);
    sem_destroy(&go);
}

static struct fixture *chain_fixture;
static uint64_t chain_victim;

static void done_and_cancel_next(struct work *w)
{
    done(w);
    worker_cancel(chain_fixture->pool, chain_victim);
    worker_submit(chain_fixture->pool, &job_new(7, run_square)->work);
}

/* What came back together is cancelled by the first of it; the call also submits anew. */
static void a_result_may_cancel_another_that_came_with_it(void **state)
{
    struct fixture *f = *state;
    struct job *first = job_new(1, run_square);

    chain_fixture = f;
    first->work.done = done_and_cancel_next;
    worker_submit(f->pool, &first->work);
    chain_victim = worker_submit(f->pool, &job_new(2, run_square)->work);
    usleep(20000);
    turn_until_empty(f);
    assert_int_equal(n_dropped, 1);
    assert_int_equal(n_done, 2);
}

static void a_pool_that_ends_waits_for_what_runs_and_drops_the_rest(void **state)
{
    struct fixture *f = *state;
    sem_t started, go;
    struct job *j = job_new(0, run_gated);

    sem_init(&started, 0, 0);
    sem_init(&go, 0, 0);
    j->started = &started;
    j->go = &go;
    worker_submit(f->pool, &j->work);
    for (int i = 0; i < 100; i++)
        worker_submit(f->pool, &job_new(i, run_square)->work);
    sem_wait(&started);
    sem_post(&go);
    worker_destroy(&f->pool);
    assert_null(f->pool);
    assert_int_equal(n_done, 0);
    assert_int_equal(n_dropped, 101);
    sem_destroy(&started);
    sem_destroy(&go);
}

static void spin_done(struct work *w)
{
    int64_t until = clock_mono_ms(clock_system()) + 2;

    while (clock_mono_ms(clock_system()) < until)
        ;
    done(w);
}

static void results_share_the_budget_of_a_turn(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 12; i++) {
        struct job *j = job_new(i, run_square);

        j->work.done = spin_done;
        worker_submit(f->pool, &j->work);
    }
    usleep(20000);
    loop_turn(f->loop, true);
    assert_in_range(n_done, 1, 8);
    turn_until_empty(f);
    assert_int_equal(n_done, 12);
    for (int i = 0; i < 12; i++)
        assert_int_equal(done_in[i], i);
}

static void a_pool_of_no_size_has_a_thread_a_processor(void **state)
{
    struct fixture *f = open_fixture(0);

    worker_submit(f->pool, &job_new(5, run_square)->work);
    turn_until_empty(f);
    assert_int_equal(n_done, 1);
    *state = f;
    teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ten_thousand_jobs_all_come_back, setup_four, teardown),
        cmocka_unit_test_setup_teardown(one_thread_finishes_in_the_order_of_submission, setup_one,
                                        teardown),
        cmocka_unit_test_setup_teardown(work_comes_back_in_a_turn_only, setup_one, teardown),
        cmocka_unit_test_setup_teardown(cancelled_work_is_dropped_before_while_and_after_it_runs,
                                        setup_one, teardown),
        cmocka_unit_test_setup_teardown(a_result_may_cancel_another_that_came_with_it, setup_one,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_pool_that_ends_waits_for_what_runs_and_drops_the_rest,
                                        setup_one, teardown),
        cmocka_unit_test_setup_teardown(results_share_the_budget_of_a_turn, setup_one, teardown),
        cmocka_unit_test(a_pool_of_no_size_has_a_thread_a_processor),
    };

    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
