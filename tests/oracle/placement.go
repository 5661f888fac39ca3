package main

import (
	"encoding/json"
	"strings"

	"github.com/go-logr/logr"
	v1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
	"k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/kubernetes/pkg/controller/daemon/util"
)

// Upstream logs every value that is no number; here they are made up.
var silent = logr.Discard()

// A placement question: one pod specification, several nodes.
type placementQuestion struct {
	Spec  v1.PodSpec `json:"spec"`
	Nodes []v1.Node  `json:"nodes"`
	// The feature gate TaintTolerationComparisonOperators.
	Comparison bool `json:"comparison"`
}

type placementAnswer struct {
	// Whether each node is one for the pod, in the order of the question.
	Matches []bool `json:"matches"`
}

func answerPlacement(line []byte, fits func(*placementQuestion, *v1.Node) bool) (any, error) {
	var asked placementQuestion
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	answer := placementAnswer{Matches: []bool{}}
	for i := range asked.Nodes {
		answer.Matches = append(answer.Matches, fits(&asked, &asked.Nodes[i]))
	}
	return answer, nil
}

func answerAffinity(line []byte) (any, error) {
	return answerPlacement(line, func(asked *placementQuestion, node *v1.Node) bool {
		return affine(&asked.Spec, node)
	})
}

func answerToleration(line []byte) (any, error) {
	return answerPlacement(line, func(asked *placementQuestion, node *v1.Node) bool {
		return tolerated(asked, node, doNotSchedule)
	})
}

// answerCandidates is the scheduler's static filters, or the kubelet's where a pod names
// its node.
func answerCandidates(line []byte) (any, error) {
	return answerPlacement(line, func(asked *placementQuestion, node *v1.Node) bool {
		if asked.Spec.NodeName != "" {
			return asked.Spec.NodeName == node.Name && kubeletAdmits(asked, node)
		}
		return schedules(asked, node)
	})
}

// schedules is the filters of the scheduler's plugins NodeAffinity, TaintToleration,
// NodeUnschedulable and, for extended resources, NodeResourcesFit
// (k8s.io/kubernetes/pkg/scheduler/framework/plugins, Filter of each).
func schedules(asked *placementQuestion, node *v1.Node) bool {
	cordon := v1.Taint{Key: v1.TaintNodeUnschedulable, Effect: v1.TaintEffectNoSchedule}
	open := !node.Spec.Unschedulable ||
		corev1.TolerationsTolerateTaint(silent, asked.Spec.Tolerations, &cordon, asked.Comparison)
	return open && affine(&asked.Spec, node) && tolerated(asked, node, doNotSchedule) && allocates(&asked.Spec, node)
}

// kubeletAdmits is generalFilter of k8s.io/kubernetes/pkg/kubelet/lifecycle/predicate.go.
// Extended resources that a node does not have are removed there before the check.
func kubeletAdmits(asked *placementQuestion, node *v1.Node) bool {
	return affine(&asked.Spec, node) && tolerated(asked, node, func(taint *v1.Taint) bool {
		return taint.Effect == v1.TaintEffectNoExecute
	})
}

// answerDaemonSet is NodeShouldRunDaemonPod of
// k8s.io/kubernetes/pkg/controller/daemon/daemon_controller.go, which the module of the
// controller itself would make a build of five minutes.
func answerDaemonSet(line []byte) (any, error) {
	return answerPlacement(line, func(asked *placementQuestion, node *v1.Node) bool {
		if asked.Spec.NodeName != "" && asked.Spec.NodeName != node.Name {
			return false
		}
		pod := placementQuestion{Spec: *asked.Spec.DeepCopy(), Comparison: asked.Comparison}
		util.AddOrUpdateDaemonPodTolerations(&pod.Spec)
		return affine(&pod.Spec, node) && tolerated(&pod, node, doNotSchedule)
	})
}

func affine(spec *v1.PodSpec, node *v1.Node) bool {
	// Every caller upstream ignores the parsing errors.
	match, _ := nodeaffinity.GetRequiredNodeAffinity(&v1.Pod{Spec: *spec}).Match(node)
	return match
}

func doNotSchedule(taint *v1.Taint) bool {
	return taint.Effect == v1.TaintEffectNoSchedule || taint.Effect == v1.TaintEffectNoExecute
}

func tolerated(asked *placementQuestion, node *v1.Node, considered func(*v1.Taint) bool) bool {
	_, found := corev1.FindMatchingUntoleratedTaint(
		silent, node.Spec.Taints, asked.Spec.Tolerations, considered, asked.Comparison)
	return !found
}

// allocates is whether a node has room at all for the extended resources of a pod.
func allocates(spec *v1.PodSpec, node *v1.Node) bool {
	for name, wanted := range resource.PodRequests(&v1.Pod{Spec: *spec}, resource.PodResourcesOptions{}) {
		extended := strings.Contains(string(name), "/") && !strings.Contains(string(name), v1.ResourceDefaultNamespacePrefix)
		if available := node.Status.Allocatable[name]; extended && wanted.Cmp(available) > 0 {
			return false
		}
	}
	return true
}
