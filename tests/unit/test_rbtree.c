// SPDX-License-Identifier: BSD-2-Clause
/*
 * Red-black trees: shape, order and augmented values after every insertion and removal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rmap/rbtree.h>

struct item {
	struct rb_node node;
	unsigned int key;
	unsigned int weight;
	uint64_t sum; /* augmented: weights of the subtree, so that any node forgotten shows */
};

static struct item *item_of(const struct rb_node *n)
{
	return rmap_container_of((uintptr_t)n, struct item, node);
}

static uint64_t right_sum(const struct rb_node *n)
{
	return item_of(n)->weight + (n->left ? item_of(n->left)->sum : 0) +
	       (n->right ? item_of(n->right)->sum : 0);
}

static bool update(struct rb_node *n)
{
	uint64_t sum = right_sum(n);

	if (item_of(n)->sum == sum)
		return false;
	item_of(n)->sum = sum;
	return true;
}

static void insert(struct rb_root *root, struct item *item)
{
	struct rb_node **link = &root->node;
	struct rb_node *parent = NULL;

	while (*link) {
		parent = *link;
		link = item->key < item_of(parent)->key ? &parent->left : &parent->right;
	}
	rb_insert(root, &item->node, parent, link, update);
}

/* Valid, in order both ways, n items, every sum right. */
static void check(const struct rb_root *root, unsigned int n)
{
	const struct rb_node *prev = NULL;
	unsigned int seen = 0;

	assert_true(rb_valid(root));
	for (const struct rb_node *i = rb_first(root); i; i = rb_next(i)) {
		assert_ptr_equal(rb_prev(i), prev);
		if (prev)
			assert_true(item_of(prev)->key <= item_of(i)->key);
		assert_true(rb_is_linked(i));
		assert_int_equal(item_of(i)->sum, right_sum(i));
		prev = i;
		seen++;
	}
	assert_ptr_equal(rb_last(root), prev);
	assert_int_equal(seen, n);
}

/* The k-th permutation of 0..n-1. */
static void permutation(unsigned int k, unsigned int n, unsigned int *out)
{
	unsigned int left[8];

	for (unsigned int i = 0; i < n; i++)
		left[i] = i;
	for (unsigned int m = n; m > 0; m--) {
		unsigned int pick = k % m;

		k /= m;
		*out++ = left[pick];
		left[pick] = left[m - 1];
	}
}

/* Every order of insertion of six items, and for each every order of removal that begins with any three. */
static void test_every_order(void **state)
{
	static const unsigned int n = 6, orders = 720;

	(void)state;
	for (unsigned int in = 0; in < orders; in++) {
		unsigned int put[8];

		permutation(in, n, put);
		for (unsigned int out = 0; out < orders; out += 1 + in % 5) {
			struct rb_root root = { NULL };
			struct item item[8];
			unsigned int take[8];

			permutation(out, n, take);
			for (unsigned int i = 0; i < n; i++) {
				struct item *it = &item[put[i]];

				rb_clear(&it->node);
				assert_false(rb_is_linked(&it->node));
				it->key = put[i];
				it->weight = 1u << put[i];
				it->sum = 0;
				insert(&root, it);
				if (out == 0)
					check(&root, i + 1);
			}
			for (unsigned int i = 0; i < n; i++) {
				rb_erase(&root, &item[take[i]].node, update);
				assert_false(rb_is_linked(&item[take[i]].node));
				check(&root, n - i - 1);
			}
			assert_null(root.node);
		}
	}
}

static uint32_t random_next(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

static void test_random(void **state)
{
	enum { N = 400 };
	static struct item item[N];
	struct rb_root root = { NULL };
	uint32_t seed = 20211121;
	unsigned int in_tree = 0;

	(void)state;
	for (unsigned int i = 0; i < N; i++)
		rb_clear(&item[i].node);
	for (unsigned int step = 0; step < 20000; step++) {
		struct item *it = &item[random_next(&seed) % N];

		if (rb_is_linked(&it->node)) {
			rb_erase(&root, &it->node, update);
			in_tree--;
		} else {
			it->key = random_next(&seed) % 64; /* many ties */
			it->weight = random_next(&seed) % 1000;
			insert(&root, it);
			in_tree++;
		}
		if (step % 50 == 0)
			check(&root, in_tree);
		if (in_tree && step % 7 == 0) {
			/* A value changes in place. */
			struct rb_node *n = step % 2 ? rb_first(&root) : root.node;

			item_of(n)->weight = random_next(&seed) % 1000;
			rb_update_path(n, update);
		}
	}
	check(&root, in_tree);
}

static void test_no_update_function(void **state)
{
	struct rb_root root = { NULL };
	struct item item[64];

	(void)state;
	for (unsigned int i = 0; i < 64; i++) {
		struct rb_node *last = rb_last(&root);

		rb_insert(&root, &item[i].node, last, last ? &last->right : &root.node, NULL);
		assert_true(rb_valid(&root));
	}
	for (unsigned int i = 0; i < 64; i++) {
		rb_erase(&root, rb_first(&root), NULL);
		assert_true(rb_valid(&root));
	}
	assert_null(rb_first(&root));
	assert_null(rb_last(&root));
}

/* The checker is not blind: each kind of damage is seen. */
static void test_valid_sees_damage(void **state)
{
	struct rb_root root = { NULL };
	struct item item[16];
	struct rb_node *n;
	uintptr_t saved;

	(void)state;
	assert_true(rb_valid(&root));
	for (unsigned int i = 0; i < 16; i++) {
		item[i] = (struct item){ .key = i, .weight = i };
		insert(&root, &item[i]);
	}
	for (unsigned int i = 0; i < 16; i++) {
		n = &item[i].node;
		saved = n->parent_color;
		n->parent_color ^= 1; /* the other colour */
		assert_false(rb_valid(&root));
		n->parent_color = saved;
		assert_true(rb_valid(&root));
	}
	n = rb_first(&root);
	saved = n->parent_color;
	n->parent_color = (uintptr_t)rb_last(&root) | (saved & 1); /* the wrong parent */
	assert_false(rb_valid(&root));
	n->parent_color = saved & 1; /* none, though it is not the root */
	assert_false(rb_valid(&root));
	n->parent_color = saved;
	assert_true(rb_valid(&root));
	/* A child on the right that is another's. */
	assert_null(n->right);
	n->right = rb_last(&root);
	assert_false(rb_valid(&root));
	n->right = NULL;
	/* Two that are each other's parent, and child. */
	n->parent_color = (uintptr_t)rb_next(n) | (saved & 1);
	rb_next(n)->parent_color = (uintptr_t)n;
	n->right = rb_parent(n);
	assert_false(rb_valid(&root));
}

/* Red below red is wrong even where all ways down have the same number of blacks. */
static void test_valid_sees_red_below_red(void **state)
{
	struct item item[5] = { { .key = 0 } };
	struct rb_node *root_node = &item[3].node, *left = &item[1].node;
	struct rb_root root = { root_node };

	(void)state;
	root_node->parent_color = 1;
	root_node->left = left;
	root_node->right = &item[4].node;
	item[4].node.parent_color = (uintptr_t)root_node;
	left->parent_color = (uintptr_t)root_node;
	assert_true(rb_valid(&root));
	left->left = &item[0].node;
	item[0].node.parent_color = (uintptr_t)left;
	assert_false(rb_valid(&root));
	left->left = NULL;
	left->right = &item[2].node;
	item[2].node.parent_color = (uintptr_t)left;
	assert_false(rb_valid(&root));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_order),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_no_update_function),
		cmocka_unit_test(test_valid_sees_damage),
		cmocka_unit_test(test_valid_sees_red_below_red),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
